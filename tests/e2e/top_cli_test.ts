/** `postern top` at a terminal of the kernel: what it draws, its keys, and that the terminal comes back as it was. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { postern } from "../support/cli.ts";
import { programOf, testWith } from "../support/debian.ts";
import { PROGRAM } from "../support/program.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor, within } from "../support/wait.ts";

const DEADLINE = 60_000;
const CONFIG = `hostname: mx.local.example
domains: [local.example]
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins: [{ recipients: { accounts: [bob], deliverTo: inbox, home: local.example } }, inbox]
`;

function environment(server: Server): Record<string, string> {
  return {
    POSTERN_DATA: server.data,
    POSTERN_ADMIN: `127.0.0.1:${server.ports.admin}`,
    POSTERN_ADMIN_TOKEN: server.api.token,
  };
}
async function refuse(server: Server): Promise<void> {
  using client = await SmtpClient.ready(server.ports.smtp);
  await client.command("EHLO client.example", 250);
  await client.command("MAIL FROM:<somebody@example.org>", 250);
  await client.command("RCPT TO:<nobody@local.example>", 550);
  await client.command("QUIT", 221);
}

/** The command in a terminal of 100 columns and 30 lines; `stty` speaks before and after it. */
function terminal(server: Server, { cwd, file }: { readonly cwd: string; readonly file: string }) {
  const child = new Deno.Command(programOf("script")!, {
    args: [
      "-qec",
      `stty cols 100 rows 30; stty -g; ${PROGRAM.join(" ")} top -c ${file}; echo code=$?; stty -g`,
      "/dev/null",
    ],
    cwd,
    env: { ...environment(server), SHELL: "/bin/sh", TERM: "xterm", NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keys = child.stdin.getWriter(), seen = { text: "" };
  const watching = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) seen.text += text;
  })();
  return {
    /** What was drawn behind that many characters. */
    seen,
    press: (key: string) => keys.write(new TextEncoder().encode(key)),
    /** Waits for it in what is drawn from now on. */
    async shows(what: string): Promise<void> {
      const from = seen.text.length;
      await waitFor(`${what} on the screen`, () => seen.text.slice(from).includes(what), { deadline: DEADLINE });
    },
    async ended(): Promise<string> {
      await within("the end of top", Promise.all([child.status, watching]), DEADLINE, () => child.kill("SIGKILL"));
      await keys.close().catch(() => {});
      return seen.text.replaceAll("\r", "");
    },
  };
}
/** The terminal is as before: its settings, the cursor, the screen, folding. */
function givenBack(text: string): void {
  const [before] = text.split("\n"), lines = text.trimEnd().split("\n");
  assertEquals(lines.at(-1), before, "stty -g before and after");
  assertStringIncludes(text, "\x1b[?1049h\x1b[?25l\x1b[?7l");
  assertMatch(text, /\x1b\[\?7h\x1b\[\?25h\x1b\[\?1049lcode=0\n[^\n]+\n$/);
}

testWith(["script"], "top: drawn anew, paused, sorted; q and Ctrl-C give the terminal back", async () => {
  await using folder = await TempFolder.make();
  const file = await folder.file("postern.yaml", CONFIG);
  await using server = await Server.start({ config: CONFIG, data: folder.at("data") });
  const top = terminal(server, { cwd: folder.path, file });
  await top.shows("plugins by time");
  await refuse(server);
  await top.shows("recipients");
  await top.shows("<somebody@example.org>");
  await top.press("s");
  await top.shows("plugins by calls");
  await top.press("p");
  await top.shows("PAUSED");
  await top.press("xyz"); // means nothing
  await top.press("p");
  await top.shows("newest refusals");
  await top.press("q");
  const text = await top.ended();
  givenBack(text);
  const [last] = text.split("\x1b[H").slice(-1);
  assert(last!.split("\n").length <= 33, "no more lines than the terminal has");

  const second = terminal(server, { cwd: folder.path, file });
  await second.shows("q quit");
  await second.press("\x03");
  givenBack(await second.ended());
});

testWith(["script"], "top: a server that goes is told of, and SIGTERM gives the terminal back", async () => {
  await using folder = await TempFolder.make();
  const file = await folder.file("postern.yaml", CONFIG);
  await using server = await Server.start({ config: CONFIG, data: folder.at("data") });
  const top = terminal(server, { cwd: folder.path, file });
  await top.shows("q quit");
  await server.stop();
  await top.shows("it does not answer");
  const pid = await new Deno.Command("sh", {
    args: [
      "-c",
      'for each in /proc/[0-9]*; do tr "\\0" " " < $each/cmdline 2> /dev/null | grep -q " top -c $1 $" && basename $each; done; true',
      "sh",
      file,
    ],
  }).output();
  const pids = new TextDecoder().decode(pid.stdout).trim().split("\n");
  assertMatch(pids.join(), /^\d+$/); // of no process it would be 0: everything that belongs to this test
  Deno.kill(Number(pids[0]), "SIGTERM");
  givenBack(await top.ended());
});

Deno.test("top: one picture without a terminal; one line where no server runs", async () => {
  await using folder = await TempFolder.make();
  const file = await folder.file("postern.yaml", CONFIG);
  await using server = await Server.start({ config: CONFIG, data: folder.at("data") });
  await refuse(server);
  const options = { env: environment(server), deadline: DEADLINE };
  const { code, out, err } = await postern(["top", "-c", file], options);
  assertEquals([code, err], [0, ""]);
  assertMatch(out, /^postern top {2}http:\/\/127\.0\.0\.1:\d+ /);
  assertMatch(out, /\nmessages {2}accepted 0 /);
  assertStringIncludes(out, "plugins by time");
  assert(!out.includes("\x1b"), "no escapes");
  assertStringIncludes(
    (await postern(["top", "--once", "--sort", "name", "-c", file], options)).out,
    "plugins by name",
  );
  assertEquals((await postern(["top", "--every", "0", "-c", file], options)).code, 2);
  await server.stop();
  const gone = await postern(["top", "-c", file], options);
  assertEquals([gone.code, gone.err], [
    1,
    "postern: no server answers: start it, or name its configuration with --config\n",
  ]);
});
