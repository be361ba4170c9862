/**
 * Disks that fail: a file system without space, and each system call between the last octet and the 250 failing once in
 * turn, injected from outside by strace. The server under test is a script that stores one message and prints its results.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { maildir } from "../../../../../plugins/storage/maildir/mod.ts";
import { programOf, testUnless, testWith } from "../../../../support/debian.ts";
import { testWithMounts } from "../../../../support/small_disk.ts";
import { attempt } from "../queue_phase.ts";

const SCRIPT = new URL("./store_one.ts", import.meta.url).pathname;

async function run(command: string, args: string[]): Promise<{ code: number; out: string }> {
  try {
    const { code, stdout, stderr } = await new Deno.Command(command, { args }).output();
    return { code, out: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  } catch {
    return { code: 127, out: `${command} is not there` };
  }
}

async function files(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isDirectory) found.push(...await files(`${folder}/${entry.name}`));
    else found.push(`${folder}/${entry.name}`);
  }
  return found;
}

testWithMounts("case 71: a full file system is 452 4.3.1, and nothing is left of the attempt", async (t) => {
  const root = await Deno.makeTempDir({ prefix: "postern-full-" });
  assertEquals((await run("mount", ["-t", "tmpfs", "-o", "size=256k", "none", root])).code, 0);
  try {
    const plugin = maildir({ root });
    await t.step("too large", async () => {
      const message = "Subject: large\n\n" + "x".repeat(300 * 1024);
      const { reply } = await attempt(plugin, { to: ["joe@example.org"], message });
      assertEquals([reply.code, reply.status], [452, "4.3.1"]);
      assertEquals(await files(root), []);
    });
    await t.step("small enough", async () => {
      assertEquals((await attempt(plugin, { to: ["joe@example.org"] })).results, ["stored"]);
    });
    await t.step("read-only", async () => {
      assertEquals((await run("mount", ["-o", "remount,ro", root])).code, 0);
      assertEquals((await attempt(plugin, { to: ["joe@example.org"] })).results, ["451 4.3.0"]);
      assertEquals((await files(root)).length, 1);
    });
  } finally {
    assertEquals((await run("umount", [root])).code, 0);
    await Deno.remove(root);
  }
});

/** Lines of a stream, one at a time. */
function lines(stream: ReadableStream<Uint8Array>): { next(): Promise<string>; cancel(): Promise<void> } {
  const reader = stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  return {
    async next() {
      while (!rest.includes("\n")) {
        const { value, done } = await reader.read();
        if (done) return rest;
        rest += value;
      }
      const end = rest.indexOf("\n");
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      return line;
    },
    cancel: () => reader.cancel(),
  };
}

const MAY_TRACE = programOf("strace") === null || // then that is the word to say
  (await run("sh", ["-c", "sleep 0.5 & strace -qq -o /dev/null -e trace=none -p $!"])).code === 0;
const traced = (name: string, body: () => Promise<void>) =>
  MAY_TRACE
    ? testWith(["strace"], name, body)
    : testUnless("the right to trace: kernel.yama.ptrace_scope 0", name, body);

traced("case 71: each system call fails in turn: no 250, no file left; then it works", async () => {
  const root = await Deno.makeTempDir({ prefix: "postern-fault-" });
  const args = ["run", "--no-lock", "-A", SCRIPT, root];
  const server = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
  const commands = server.stdin.getWriter(), results = lines(server.stdout);
  const store = async () => {
    await commands.write(new TextEncoder().encode("store\n"));
    return results.next();
  };
  try {
    assertEquals(await store(), "stored");
    const [known] = await files(root);
    const folder = ["-P", `${root}/example.org/joe/Maildir/new`];
    const table: [calls: string, error: string, result: string, only: string[]][] = [
      ["fsync,fdatasync", "EIO", "451 4.3.0", []],
      ["fsync,fdatasync", "EDQUOT", "452 4.2.2", []],
      ["fsync,fdatasync", "EIO", "451 4.3.0", folder], // after the rename: the name must go again
      ["rename,renameat,renameat2", "ENOSPC", "452 4.3.1", []],
      ["openat", "EMFILE", "451 4.3.0", []],
      ["openat", "EACCES", "451 4.2.0", folder],
    ];
    for (const [calls, error, result, only] of table) {
      const inject = ["-e", `trace=${calls}`, "-e", `inject=${calls}:error=${error}`];
      const tracer = new Deno.Command("strace", {
        args: ["-f", "-p", String(server.pid), ...only, ...inject],
        stderr: "piped",
      }).spawn();
      const told = lines(tracer.stderr);
      assertStringIncludes(await told.next(), "attached");
      assertEquals(await store(), result, `${calls} ${error} ${only}`);
      tracer.kill("SIGINT"); // lets go of the process
      await tracer.status;
      await told.cancel();
      assertEquals(await files(root), [known!], `${calls} ${error} ${only}: nothing is left of the attempt`);
    }
    assertEquals(await store(), "stored");
    assert((await files(root)).every((path) => path.includes("/new/")));
  } finally {
    await commands.close();
    await results.cancel();
    await server.status;
    await Deno.remove(root, { recursive: true });
  }
});
