/**
 * The unit and the container of examples/install at work: exactly their command lines, as a user who may do nothing else, on
 * ports below 1024; every permission in them is needed; ports that a service manager has bound are taken over.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hashPassword } from "../../core/auth/passwords.ts";
import { mail } from "../support/bytes.ts";
import { programOf, testUnless, testWith } from "../support/debian.ts";
import { containerCommand, containerLines, Installation, type Started, unitLines } from "../support/installation.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { Authority } from "../support/tls.ts";
import { waitFor } from "../support/wait.ts";

const EXAMPLES = new URL("../../examples/install/", import.meta.url).pathname;
const MESSAGE = mail("From: a@example.net\nSubject: small\n\nFrom nobody.\n");
const PASSWORD = "correct horse battery";
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const [UNIT] = unitLines("ExecStart");
/** The same for who sends mail to no host that only name service knows. */
const [NARROW] = /--allow-net=\S+/.exec(Deno.readTextFileSync(`${EXAMPLES}postern.service`))!;
const INWARD = UNIT!.map((word) => word === "--allow-net" ? NARROW : word);

/** The unit's configuration: a listener for each of its ports. */
const UNIT_CONFIG = `
listeners:
  - { address: "0.0.0.0:25", name: world }
  - { address: "0.0.0.0:587", role: submission }
  - { address: "0.0.0.0:465", role: submission, tls: implicit }
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
`;

async function configure(at: Installation, authority: Authority, listeners: string): Promise<void> {
  const { cert, key } = await authority.issue();
  await Deno.writeTextFile(`${at.etc}/cert.pem`, cert);
  await Deno.writeTextFile(`${at.etc}/key.pem`, key);
  await Deno.writeTextFile(`${at.etc}/accounts.txt`, `alice@example.org ${await hashPassword(PASSWORD, { random })}\n`);
  await run("chgrp", "nogroup", `${at.etc}/accounts.txt`, `${at.etc}/key.pem`);
  await run("chmod", "640", `${at.etc}/accounts.txt`, `${at.etc}/key.pem`);
  await Deno.writeTextFile(
    `${at.etc}/postern.yaml`,
    at.put(`hostname: mx.local.example
data: /var/lib/postern
domains: [example.org]
postmaster: alice@example.org
tls: { certificates: [{ cert: cert.pem, key: key.pem }] }
plugins:
  - accounts: { file: accounts.txt }
    roles: [submission]
  - recipients: { accounts: [alice] }
  - maildir: { root: /var/lib/postern/mail }
${listeners}`),
  );
}

async function run(program: string, ...args: string[]): Promise<void> {
  assert((await new Deno.Command(program, { args }).output()).success, program);
}

/** Waits for a greeting; fails at once when the server has ended. */
async function greeted(server: Started, port: number): Promise<void> {
  let over = false;
  server.ended.then(() => over = true);
  await waitFor(`the greeting at port ${port}`, async () => {
    if (over) throw new Error(`the server ended: ${server.output}`);
    try {
      using client = await SmtpClient.ready(port);
      await client.quit();
      return true;
    } catch {
      return false;
    }
  }, { deadline: 20_000 });
}

async function deliver(client: SmtpClient): Promise<void> {
  await client.deliver({ from: "alice@example.org", to: ["alice@example.org"], message: MESSAGE });
  await client.quit();
}

function delivered(at: Installation): Promise<true> {
  return waitFor("the message in the Maildir", () => {
    try {
      return [...Deno.readDirSync(`${at.data}/mail/example.org/alice/Maildir/new`)].length > 0;
    } catch {
      return false;
    }
  });
}

/** An installation costs a second: one for all that want root. */
async function withInstallation(body: (at: Installation, authority: Authority) => Promise<void>): Promise<void> {
  await using at = await Installation.make();
  await using authority = await Authority.make();
  await configure(at, authority, UNIT_CONFIG);
  await body(at, authority);
}

const missing = Deno.uid() !== 0
  ? "root, to become nobody on a port below 1024"
  : programOf("setpriv") === null
  ? "setpriv: apt-get install util-linux"
  : programOf("openssl") === null
  ? "openssl: apt-get install openssl"
  : null;

testUnless(
  missing,
  "the unit's command line: nobody, with CAP_NET_BIND_SERVICE, takes mail on all its ports",
  () =>
    withInstallation(async (at, { ca }) => {
      await using server = at.start(UNIT!, { capabilities: ["net_bind_service"] });
      await greeted(server, at.ports.get("0.0.0.0:25")!);
      assertMatch(server.status("Uid"), /^65534\t65534\t65534\t65534$/);
      assertEquals([server.status("CapEff"), server.status("CapBnd")], ["0000000000000400", "0000000000000400"]);
      assertEquals(server.status("NoNewPrivs"), "1");

      using world = await SmtpClient.secured(at.ports.get("0.0.0.0:25")!, { ca });
      await deliver(world);
      using user = await SmtpClient.secured(at.ports.get("0.0.0.0:587")!, { ca });
      await user.login("alice@example.org", PASSWORD, 235);
      await deliver(user);
      using implicit = await SmtpClient.connectTls(at.ports.get("0.0.0.0:465")!, { ca });
      await implicit.expect(220);
      await implicit.command("QUIT", 221);
      await delivered(at);

      const ready = await fetch(`http://127.0.0.1:${at.ports.get("127.0.0.1:8025")}/readyz`);
      assertEquals((await ready.json()).status, "ready");
      server.child.kill("SIGHUP"); // ExecReload
      await waitFor("the configuration to be read again", () => /notice +reload /.test(server.output));
      assertEquals((await server.stop()).code, 0, server.output);
      assert(!/trouble|descriptor/.test(server.output), server.output);
    }),
);

testUnless(missing, "without the capability the first port says what is lacking", () =>
  withInstallation(async (at) => {
    await using server = at.start(UNIT!);
    assertEquals((await server.ended).code, 1);
    assertMatch(server.output, /needs a privilege this process lacks.*CAP_NET_BIND_SERVICE/);
  }));

/** The words of the unit's line as narrow as they can be, each with one of its permissions left out. */
function* narrower(): Generator<{ readonly without: string; readonly command: string[] }> {
  for (const [index, word] of INWARD.entries()) {
    const [, flag, list] = /^(--allow-\w+)=(.*)$/.exec(word) ?? [];
    for (const item of list?.split(",") ?? []) {
      if (/:(53|0)$/.test(item)) continue; // name service: wanted with the first question, not before
      if (/_proxy$/i.test(item)) continue; // a proxy that it may not see is none, and nothing else is amiss
      if (item === "OTEL_DENO") continue; // without it there are no traces, and nothing else is amiss
      const rest = list!.split(",").filter((each) => each !== item);
      const command = INWARD.with(index, `${flag}=${rest.join(",")}`);
      yield { without: `${flag}=${item}`, command: rest.length > 0 ? command : INWARD.toSpliced(index, 1) };
    }
  }
}

testUnless(missing, "no permission in the unit's line can be left out", () =>
  withInstallation(async (at) => {
    const needless: string[] = [];
    for (const { without, command } of narrower()) {
      await using server = at.start(command, { capabilities: ["net_bind_service"] });
      if (await fetchReady(at, server)) needless.push(without);
      else assertMatch(server.output, /Requires \w+ access/, without);
    }
    assertEquals(needless, []);
  }));

/** True once the site answers, false when the server has ended before. */
async function fetchReady(at: Installation, server: Started): Promise<boolean> {
  let over = false;
  server.ended.then(() => over = true);
  return await waitFor("the server to be ready or to end", async () => {
    if (over) return { ready: false };
    try {
      const answer = await fetch(`http://127.0.0.1:${at.ports.get("127.0.0.1:8025")}/readyz`);
      await answer.body?.cancel();
      return { ready: answer.ok };
    } catch {
      return null;
    }
  }, { deadline: 20_000 }).then(({ ready }) => ready);
}

testUnless(
  missing,
  "the container's command line: nobody without a capability takes mail",
  () =>
    withInstallation(async (at, authority) => {
      await configure(
        at,
        authority,
        `listeners: [{ address: "0.0.0.0:2525" }]\nadmin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }\n`,
      );
      await using server = at.start(containerCommand());
      await greeted(server, at.ports.get("0.0.0.0:2525")!);
      assertEquals(server.status("CapEff"), "0000000000000000");
      using client = await SmtpClient.secured(at.ports.get("0.0.0.0:2525")!, { ca: authority.ca });
      await deliver(client);
      await delivered(at);
      const [program, ...args] = JSON.parse(containerLines("HEALTHCHECK CMD")[0]!).map((word: string) => at.put(word));
      const health = () => new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output();
      assertEquals((await health()).code, 0);
      await server.stop();
      assert((await health()).code !== 0);
    }),
);

Deno.test("the container: what is copied is there, the ports are those of the line above it, nothing runs as root", () => {
  for (const line of containerLines("COPY").filter((each) => !each.startsWith("--from"))) {
    for (const source of line.split(/\s+/).slice(0, -1)) assert(Deno.statSync(`${EXAMPLES}../../${source}`), source);
  }
  for (const module of containerLines("RUN").flatMap((line) => line.match(/\S+\.ts\b/g) ?? [])) {
    assert(Deno.statSync(`${EXAMPLES}../../${module}`).isFile, module);
  }
  const text = Deno.readTextFileSync(`${EXAMPLES}Containerfile`);
  const exposed = containerLines("EXPOSE")[0]!.split(" ");
  for (const [, port] of text.matchAll(/-p \d+:(\d+)/g)) assert(exposed.includes(port!), port);
  assertEquals(containerLines("USER"), ["10025"]);
  assertStringIncludes(containerLines("RUN").join("\n"), `--uid ${containerLines("USER")[0]}`);
  const version = /deno@([\d.]+)/.exec(text)?.[1];
  assertEquals(version, Deno.version.deno, "the Deno that all tests run on");
});

testWith(["systemd-analyze"], "systemd finds no fault in the unit and its socket", async () => {
  await using folder = await TempFolder.make();
  for (const name of ["postern.service", "postern.socket"]) {
    const text = await Deno.readTextFile(`${EXAMPLES}${name}`);
    await folder.file(name, text.replaceAll("/usr/bin/deno", Deno.execPath()));
  }
  const { code, stderr } = await new Deno.Command(programOf("systemd-analyze")!, {
    args: ["verify", folder.at("postern.service"), folder.at("postern.socket")],
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
});

testUnless(
  missing ??
    (programOf("systemd-socket-activate") === null ? "systemd-socket-activate: apt-get install systemd" : null),
  "ports that are handed over: no capability, no permission to listen, and who came first is served",
  () =>
    withInstallation(async (at, { ca }) => {
      const [world, submission, smtps] = ["0.0.0.0:25", "0.0.0.0:587", "0.0.0.0:465"].map((each) =>
        at.ports.get(each)!
      );
      const activate = programOf("systemd-socket-activate")!;
      const under = [
        activate,
        ...[world, submission, smtps].flatMap((port) => ["--listen", `127.0.0.1:${port}`]),
        "--fdname=world:two:three", // the first by its name, the others by their address
        ...["DENO_DIR", "POSTERN_ADMIN_TOKEN", "NO_COLOR"].map((name) => `--setenv=${name}`),
      ];
      const command = INWARD.map((word) => word.replace(/0\.0\.0\.0:(25|465|587),/g, ""));
      await using server = at.start(command, { under });
      // It is started by the first who connects, and that one waits in the kernel meanwhile.
      const first = await waitFor("somebody who listens", () => SmtpClient.ready(world!).catch(() => null), {
        deadline: 20_000,
      });
      await deliver(first);
      first.close();
      assertEquals(server.status("CapEff"), "0000000000000000");
      using user = await SmtpClient.secured(submission!, { ca });
      await user.login("alice@example.org", PASSWORD, 235);
      await deliver(user);
      using implicit = await SmtpClient.connectTls(smtps!, { ca });
      await implicit.expect(220);
      await implicit.command("QUIT", 221);
      assertEquals((await server.stop()).code, 0, server.output);
    }),
);

testUnless(
  missing ??
    (programOf("systemd-socket-activate") === null ? "systemd-socket-activate: apt-get install systemd" : null),
  "a port that is handed over and that no listener has is an error at the start",
  () =>
    withInstallation(async (at) => {
      const [world, other] = [at.ports.get("0.0.0.0:25")!, at.ports.get("0.0.0.0:2525")!];
      const under = [
        programOf("systemd-socket-activate")!,
        ...[world, other].flatMap((port) => ["--listen", `127.0.0.1:${port}`]),
        ...["DENO_DIR", "POSTERN_ADMIN_TOKEN", "NO_COLOR"].map((name) => `--setenv=${name}`),
      ];
      await using server = at.start(UNIT!, { under, capabilities: ["net_bind_service"] });
      using knock = await waitFor("somebody who listens", () => SmtpClient.connect(world).catch(() => null));
      assertEquals((await server.ended).code, 1);
      assertStringIncludes(
        server.output,
        `no listener has the address or the name of what was handed over: 127.0.0.1:${other}`,
      );
      await assertGone(knock);
    }),
);

async function assertGone(client: SmtpClient): Promise<void> {
  const said = await client.expect(220).then(() => "greeted", () => "gone");
  assertEquals(said, "gone");
}
