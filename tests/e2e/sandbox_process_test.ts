/**
 * A plugin in a process of its own, in the server as `deno task start` runs it: it decides about mail, is there once after
 * reloads, is told of in the log, and is gone when the server is, however that ends. Without permission the start says which.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import about from "../../deno.json" with { type: "json" };
import { Api } from "../support/api.ts";
import { freePort } from "../support/ports.ts";
import { TIED } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor, within } from "../support/wait.ts";

const ROOT = new URL("../../", import.meta.url).pathname, LONG = 60_000, TOKEN = "token-of-the-tests";
const PLUGIN = `import { definePlugin, reject } from "postern";
import { z } from "zod";
export default definePlugin({
  name: "policy",
  options: z.strictObject({ unwanted: z.string() }),
  create: ({ unwanted }) => ({
    mail: (ctx, next) => {
      if (ctx.sender?.local === "fills") { const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1)); }
      console.log("asked about", ctx.sender?.local);
      return ctx.sender?.local === unwanted ? reject("5.7.1", "not from there") : next();
    },
  }),
});
`;

/** Processes that this one has started and that are no threads of it. */
function childrenOf(pid: number): number[] {
  const found: number[] = [];
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      const text = Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`);
      found.push(...text.split(" ").filter((each) => each.trim() !== "").map(Number));
    }
  } catch { /* it has ended */ }
  return found;
}
function isThere(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

/** The words of `deno task start` for a configuration with the plugin, and what the server prints. */
async function start(folder: TempFolder, flags = (words: readonly string[]) => words) {
  const smtp = freePort(), admin = freePort();
  await folder.file("policy.ts", PLUGIN);
  const config = await folder.file(
    "postern.yaml",
    `hostname: mx.local.example
domains: [example.org]
data: ${folder.at("data")}
listeners: [{ address: "127.0.0.1:${smtp}" }]
admin: { address: "127.0.0.1:${admin}", token: "${TOKEN}" }
plugins:
  - ./policy.ts: { unwanted: bad }
    sandbox: { memory: 64MiB }
  - inbox: { everything: true }
`,
  );
  const [, ...words] = about.tasks.start.replace("cli/main.ts", `${ROOT}cli/main.ts`).split(" ");
  const [program, ...before] = [...TIED, Deno.execPath()];
  const child = new Deno.Command(program!, {
    args: [...before, ...flags(words), "--config", config],
    cwd: folder.path,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const server = {
    child,
    smtp,
    admin,
    output: "",
    api: new Api(`http://127.0.0.1:${admin}`, TOKEN),
    ended: child.status,
  };
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) server.output += text;
  };
  const streams = [collect(child.stdout), collect(child.stderr)];
  server.ended = child.status.then(async (status) => (await Promise.all(streams), status));
  return server;
}
type Started = Awaited<ReturnType<typeof start>>;

async function serving(use: (server: Started) => Promise<void>): Promise<void> {
  await using folder = await TempFolder.make();
  const server = await start(folder);
  try {
    await waitFor("the server", () => server.api.healthy(), { deadline: LONG });
    await use(server);
  } catch (error) {
    throw new Error(`${error}; the server printed:\n${server.output}`);
  } finally {
    try {
      server.child.kill("SIGKILL");
    } catch { /* it has ended */ }
    await server.ended;
  }
}

async function reload({ admin }: Started): Promise<void> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const answer = await fetch(`http://127.0.0.1:${admin}/api/v1/reload`, { method: "POST", headers });
  const text = await answer.text();
  assert(answer.ok, text);
}

/** The code of the answer to MAIL. */
async function mailFrom({ smtp }: Started, local: string): Promise<number> {
  using client = await SmtpClient.connect(smtp, { deadline: LONG });
  await client.expect(220);
  await client.command("EHLO client.example.net", 250);
  const { code } = await client.command(`MAIL FROM:<${local}@example.net>`);
  await client.command("QUIT", 221);
  return code;
}

Deno.test("a plugin in a process decides, harms one message, is there once, and outlasts no server", async () => {
  await serving(async (server) => {
    assertEquals(await mailFrom(server, "good"), 250);
    const [pid] = childrenOf(server.child.pid);
    assert(pid !== undefined);
    await waitFor("a line of its own in the log", () => /asked about good/.test(server.output), { deadline: LONG });
    const codes = await Promise.all(["fills", "good", "bad", "good"].map((each) => mailFrom(server, each)));
    assertEquals(codes, [451, 250, 250, 250]); // a refusal waits for RCPT, an error does not
    assertEquals(await mailFrom(server, "good"), 250);
    assertMatch(server.output, /took more than 64 MiB of memory/);
    for (let n = 0; n < 3; n++) await reload(server);
    assertEquals(await mailFrom(server, "good"), 250);
    await waitFor("one child", () => childrenOf(server.child.pid).length === 1, { deadline: LONG });
    const [last] = childrenOf(server.child.pid);
    server.child.kill("SIGKILL");
    await server.ended;
    await waitFor("the child's end", () => !isThere(last!) && !isThere(pid), { deadline: LONG });
  });
});

Deno.test("a server that stops in order takes its children along", async () => {
  await serving(async (server) => {
    assertEquals(await mailFrom(server, "good"), 250);
    const children = childrenOf(server.child.pid);
    assertEquals(children.length, 1);
    server.child.kill("SIGTERM");
    assertEquals((await within("the end", server.ended, LONG)).code, 0);
    await waitFor("the child's end", () => !isThere(children[0]!), { deadline: LONG });
  });
});

Deno.test("a server that may start no process says which permission it wants", async () => {
  await using folder = await TempFolder.make();
  const server = await start(folder, (words) => words.filter((each) => !each.startsWith("--allow-run")));
  assertEquals((await within("the end", server.ended, LONG)).code, 1);
  assertMatch(server.output, /postern\.yaml:\d+:\d+: .*--allow-run=\//);
});
