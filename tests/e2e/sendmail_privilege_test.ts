/**
 * The sendmail of examples/ run by another user than the server, with the permissions that it gives itself: mail that
 * waits in the maildrop is found by the server, and by nobody else. Root only: it becomes two other users.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { programOf, testUnless } from "../support/debian.ts";
import { Installation, type Started, unitLines } from "../support/installation.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { waitFor, within } from "../support/wait.ts";

const WRAPPER = await Deno.readTextFile(new URL("../../examples/install/sendmail", import.meta.url));
const [UNIT] = unitLines("ExecStart");
const MISSING = Deno.uid() !== 0
  ? "root: others cannot become somebody else"
  : programOf("setpriv") === null
  ? "setpriv: apt-get install util-linux"
  : null;

testUnless(MISSING, "sendmail as another user: the maildrop is for the server's eyes alone", async () => {
  await using at = await Installation.make();
  const port = at.ports.get("0.0.0.0:2525")!;
  await Deno.writeTextFile(
    `${at.etc}/postern.yaml`,
    at.put(`hostname: mx.example.org
data: /var/lib/postern
domains: [example.org]
listeners: [{ address: "0.0.0.0:2525" }]
plugins:
  - recipients: { accounts: [ann] }
  - maildir: { root: /var/lib/postern/mail }
`),
  );
  const program = `${at.program}/sendmail`;
  await Deno.writeTextFile(program, at.put(WRAPPER));
  await Deno.chmod(program, 0o755);
  const sendmail = (subject: string) => as("daemon", [program, "-i", "ann"], `Subject: ${subject}\n\nhello\n`);
  const start = async (): Promise<Started> => {
    const server = at.start(UNIT!);
    let over = false;
    server.ended.then(() => over = true);
    await waitFor("the greeting", async () => {
      if (over) throw new Error(`the server ended: ${server.output}`);
      return await SmtpClient.ready(port).then(async (client) => (await client.quit(), true), () => false);
    }, { deadline: 40_000 });
    return server;
  };
  const mail = () => listed(`${at.data}/mail`).filter((path) => path.includes("/new/"));

  {
    await using server = await start();
    const ran = await sendmail("one");
    assertEquals([ran.code, ran.err], [0, ""]);
    await waitFor("the first message", () => mail().length === 1, { deadline: 30_000 });
    assertMatch(await Deno.readTextFile(mail()[0]!), /^From: (?:".*" <)?daemon@example\.org>?\r?$/m);
    await server.stop();
  }
  await Deno.chmod(at.data, 0o700);
  const shut = await sendmail("two");
  assertEquals(shut.code, 75); // the folder above is the server's own
  await Deno.chmod(at.data, 0o711);
  const ran = await sendmail("two");
  assertEquals([ran.code, ran.err], [0, ""]);
  const [dropped] = listed(`${at.data}/maildrop`).filter((path) => !path.endsWith("/bad"));
  const info = await Deno.stat(dropped!);
  assertEquals([info.uid, info.mode! & 0o777], [1, 0o644]);
  assert((await as("daemon", ["ls", `${at.data}/maildrop`], "")).code !== 0, "others list the maildrop");
  await using server = await start();
  await waitFor("the message that waited", () => mail().length === 2, { deadline: 30_000 });
  await waitFor("an empty maildrop", () => listed(`${at.data}/maildrop`).every((path) => path.endsWith("/bad")));
  await server.stop();
});

function listed(folder: string): string[] {
  const found: string[] = [];
  try {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      found.push(`${folder}/${name}`);
      if (isDirectory) found.push(...listed(`${folder}/${name}`));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

async function as(user: string, command: readonly string[], input: string): Promise<{ code: number; err: string }> {
  const child = new Deno.Command(programOf("setpriv")!, {
    args: ["--reuid", user, "--regid", "nogroup", "--clear-groups", "--no-new-privs", ...command],
    cwd: "/",
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin", NO_COLOR: "1" },
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stderr } = await within(command.join(" "), child.output(), 60_000, () => child.kill("SIGKILL"));
  return { code, err: new TextDecoder().decode(stderr) };
}
