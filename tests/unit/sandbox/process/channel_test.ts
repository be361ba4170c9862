/** A child and its channel: messages both ways, how it ends, and what code inside cannot do to the server or the machine. */
import { assert, assertEquals, assertGreater, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { openProcess, type ProcessChannel } from "../../../../core/sandbox/process/channel.ts";
import type { ChannelSpec } from "../../../../core/sandbox/channel.ts";
import { TempFolder } from "../../../support/temp.ts";
import { waitFor, within } from "../../../support/wait.ts";

const LONG = 60_000, MIB = 1024 * 1024;
const NOTHING = { net: [], read: [], env: [] };
/** Answers each message with itself. */
const ECHO = "self.onmessage = ({ data }) => self.postMessage(data);";

interface Life {
  readonly channel: ProcessChannel;
  readonly messages: unknown[];
  readonly lines: string[];
  /** Why it ended. */
  readonly ended: Promise<string>;
}

/** A child of these lines for the time of `use`. */
async function living(root: string, spec: Partial<ChannelSpec>, use: (life: Life) => Promise<void>): Promise<void> {
  const messages: unknown[] = [], lines: string[] = [];
  const told = (line: string) => void lines.push(line);
  const channel = openProcess({ name: "inside", root, permissions: NOTHING, memory: null, ...spec }, { told });
  channel.onmessage = (message) => void messages.push(message);
  const ended = new Promise<string>((tell) => channel.onend = tell);
  try {
    await use({ channel, messages, lines, ended });
  } finally {
    channel.end();
    await within("the child's end", channel.closed, LONG);
  }
}

/** How it ends by what it does at once. */
async function endOf(root: string, spec: Partial<ChannelSpec> = {}): Promise<string> {
  let why = "";
  await living(root, spec, async ({ ended }) => void (why = await within("an end", ended, LONG)));
  return why;
}

function isThere(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

Deno.test("messages keep their order and their octets, before it runs too, and 8 MB at a time", async () => {
  await living(ECHO, {}, async ({ channel, messages }) => {
    const long = new Uint8Array(8 * MIB);
    crypto.getRandomValues(long.subarray(0, 1_000));
    const sent = ["first", { deep: [undefined, new Map([["a", 1n]])], text: "\ud800 ü" }, {
      long,
      short: long.slice(0, 9),
    }];
    for (const each of sent) channel.post(each);
    await waitFor("the echo", () => messages.length === sent.length, { deadline: LONG });
    assertEquals(messages, sent);
  });
});

Deno.test("what is given away may change afterwards only where it was said to be", async () => {
  await living(ECHO, {}, async ({ channel, messages }) => {
    const octets = new Uint8Array(200_000).fill(1);
    channel.post(octets);
    octets.fill(2);
    await waitFor("the echo", () => messages.length === 1, { deadline: LONG });
    assertEquals((messages[0] as Uint8Array).every((each) => each === 1), true);
  });
});

Deno.test("it has the permissions that it is granted, and none of the server's", async () => {
  await using folder = await TempFolder.make();
  const granted = await folder.file("granted", "may be read"), key = await folder.file("key", "may not");
  Deno.env.set("POSTERN_TEST_GRANTED", "yes");
  Deno.env.set("POSTERN_TEST_SECRET", "no");
  const root = `
    const tried = async (name, what) => { try { return [name, await what()]; } catch (error) { return [name, error.name]; } };
    self.onmessage = async ({ data: [granted, key] }) => self.postMessage(Object.fromEntries([
      await tried("granted", () => Deno.readTextFile(granted)),
      await tried("key", () => Deno.readTextFile(key)),
      await tried("write", () => Deno.writeTextFile(granted, "changed")),
      await tried("env", () => Deno.env.get("POSTERN_TEST_GRANTED")),
      await tried("secret", () => Deno.env.get("POSTERN_TEST_SECRET")),
      await tried("home", () => Deno.env.get("HOME")),
      await tried("run", () => new Deno.Command(Deno.execPath()).output().then(() => "ran")),
      await tried("kill", () => Deno.kill(Deno.ppid, "SIGKILL") ?? "killed"),
      await tried("net", () => Deno.connect({ hostname: "127.0.0.1", port: 1 }).then(() => "connected")),
      await tried("sys", () => Deno.hostname()),
      await tried("import", () => import("https://esm.sh/secret").then(() => "imported")),
      await tried("package", () => import("npm:a-name-that-tells-a-secret").then(() => "imported")),
      await tried("worker", () => new Worker("data:text/javascript,1", { type: "module", deno: { permissions: { read: true } } }) && "made"),
    ]));`;
  const permissions = { net: [], read: [granted], env: ["POSTERN_TEST_GRANTED"] };
  await living(root, { permissions }, async ({ channel, messages }) => {
    channel.post([granted, key]);
    await waitFor("what it could do", () => messages.length === 1, { deadline: LONG });
    const { import: remote, package: name, ...tried } = messages[0] as Record<string, string>;
    assertEquals(tried, {
      granted: "may be read",
      key: "NotCapable",
      write: "NotCapable",
      env: "yes",
      secret: "NotCapable",
      home: "NotCapable",
      run: "NotCapable",
      kill: "NotCapable",
      net: "NotCapable",
      sys: "NotCapable",
      worker: "NotCapable",
    });
    assertMatch(remote!, /Error$|NotCapable/);
    assertMatch(name!, /Error$|NotCapable/);
    const environment = new TextDecoder().decode(Deno.readFileSync(`/proc/${channel.pid}/environ`));
    assert(!environment.includes("POSTERN_TEST_SECRET"));
  });
});

const ends: Readonly<Record<string, readonly [root: string, why: RegExp, spec?: Partial<ChannelSpec>]>> = {
  "throws while it is loaded": ["throw new Error('at the top')", /at the top/],
  "cannot be loaded": ["import 'file:///not/there.js'", /not\/there\.js/],
  "throws in a timer": ["setTimeout(() => { throw new Error('in a timer') })", /in a timer/],
  "rejects a promise of nobody's": ["Promise.reject(new Error('of nobody'))", /of nobody/],
  "has a heap without end": [
    "const all = []; for (let n = 0;; n++) all.push('text '.repeat(100) + n)",
    /heap was full|64 MiB/,
    { memory: 64 * MIB },
  ],
  "has a map without end": [
    "const all = new Map(); for (let n = 0;; n++) all.set(n, { n })",
    /heap was full|64 MiB/,
    { memory: 64 * MIB },
  ],
};
for (const [name, [root, why, spec]] of Object.entries(ends)) {
  Deno.test(`a child ends, and says why, when it ${name}`, async () => assertMatch(await endOf(root, spec), why));
}

Deno.test("octets outside the heap count: it ends near its bound, and a loop does not keep it", async () => {
  const root = "self.onmessage = () => { const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1)); }";
  await living(root, { memory: 64 * MIB }, async ({ channel, ended }) => {
    let most = 0;
    channel.post("go");
    const size = () => {
      try {
        const [, resident = "0"] = Deno.readTextFileSync(`/proc/${channel.pid}/statm`).split(" ");
        most = Math.max(most, Number(resident) * 4096);
      } catch { /* it is gone */ }
    };
    const looks = setInterval(size, 1);
    const why = await within("its end", ended, LONG).finally(() => clearInterval(looks));
    assertEquals(why, "took more than 64 MiB of memory");
    console.log(`resident at most ${(most / MIB).toFixed(0)} MiB, bound 64 MiB above the runtime's own`);
    assertLess(most, 1024 * MIB); // of a machine's memory it would have taken all
  });
});

Deno.test("messages of 1 MB in a row fit into 64 MiB", async () => {
  await living("self.onmessage = ({ data }) => self.postMessage(data.length);", { memory: 64 * MIB }, async (life) => {
    const { channel, messages } = life;
    for (let n = 1; n <= 200; n++) {
      channel.post(new Uint8Array(MIB).fill(n));
      await waitFor("an answer", () => messages.length === n, { deadline: LONG, every: 0 });
    }
    assertEquals(messages.at(-1), MIB);
  });
});

Deno.test("what it prints is in the log, escaped, and never in a frame", async () => {
  const root = `
    console.log("one\\x1b[31m");
    console.info("two");
    await Deno.stdout.write(new TextEncoder().encode("three\\n"));
    self.onmessage = ({ data }) => self.postMessage(data);`;
  await living(root, {}, async ({ channel, messages, lines }) => {
    await waitFor("lines", () => lines.length === 3, { deadline: LONG });
    assertEquals(lines, ["one\\u001b[31m", "two", "three"]);
    channel.post("still whole");
    await waitFor("the echo", () => messages.length === 1, { deadline: LONG });
  });
});

Deno.test("a child that writes to its output past all that is ended, and nothing of it is read", async () => {
  // node:fs reaches file descriptor 1 as it is
  const root = "import { writeSync } from 'node:fs'; writeSync(1, 'a line of text\\n'); await new Promise(() => {});";
  assertStringIncludes(await endOf(root), "no frame");
});

Deno.test("loops are nothing to the server, which can end it at any time", async () => {
  await living("self.postMessage('loops'); for (;;);", {}, async ({ channel, messages }) => {
    await waitFor("its loop", () => messages.length === 1, { deadline: LONG });
    channel.end();
    await within("its end", channel.closed, LONG);
    assertEquals(isThere(channel.pid), false);
  });
});

Deno.test("a child that was killed from outside says so; one that is stopped can be ended", async () => {
  await living(ECHO, {}, async ({ channel, ended }) => {
    Deno.kill(channel.pid, "SIGKILL");
    assertEquals(await within("its end", ended, LONG), "its process was ended by SIGKILL");
  });
  await living(ECHO, {}, async ({ channel }) => {
    Deno.kill(channel.pid, "SIGSTOP");
    channel.post("nobody answers");
    channel.end();
    await within("its end", channel.closed, LONG);
  });
});

Deno.test("signals that mean the server leave a child alone: messages under way are finished with it", async () => {
  await living(ECHO, {}, async ({ channel, messages }) => {
    channel.post("it runs");
    await waitFor("its start", () => messages.length === 1, { deadline: LONG });
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) Deno.kill(channel.pid, signal);
    channel.post("it still runs");
    await waitFor("an answer", () => messages.length === 2, { deadline: LONG });
  });
});

Deno.test("a child that reads nothing is ended before what waits for it has no end", async () => {
  await living(ECHO, {}, async ({ channel, ended }) => {
    Deno.kill(channel.pid, "SIGSTOP");
    const octets = new Uint8Array(64 * MIB);
    for (let n = 0; n < 9; n++) channel.post(octets, [octets.buffer]);
    assertEquals(await within("its end", ended, LONG), "does not take what it is sent");
  });
});

Deno.test("a flood of messages waits in the child, within its bound", async () => {
  const root =
    "for (let n = 0; n < 200_000; n++) self.postMessage({ n, text: 'x'.repeat(500) }); self.postMessage('done')";
  await living(root, { memory: 256 * MIB }, async ({ messages, ended }) => {
    const why = await Promise.race([ended, waitFor("the flood", () => messages.at(-1) === "done", { deadline: LONG })]);
    assert(why === true || /MiB/.test(String(why)), String(why));
    assertGreater(messages.length, 0);
  });
});

Deno.test("a server that is killed leaves no child, a looping one neither", async () => {
  for (const root of [ECHO, "for (;;);"]) {
    const script = `
      import { openProcess } from ${
      JSON.stringify(new URL("../../../../core/sandbox/process/channel.ts", import.meta.url))
    };
      const permissions = { net: [], read: [], env: [] };
      const channel = openProcess({ name: "inside", root: ${JSON.stringify(root)}, permissions, memory: null });
      console.log(channel.pid);`;
    const args = ["eval", "--quiet", "--config", new URL("../../../../deno.json", import.meta.url).pathname, script];
    const server = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
    const reader = server.stdout.getReader();
    const { value } = await within("the child's number", reader.read(), LONG);
    const pid = Number(new TextDecoder().decode(value));
    assert(isThere(pid));
    server.kill("SIGKILL");
    await server.status;
    await reader.cancel();
    await waitFor("the child's end", () => !isThere(pid), { deadline: LONG });
  }
});
