/**
 * A backup while the server takes and forgets mail at full speed, one that is killed, and a queue that moves to another host.
 * BACKUP_SECONDS says how long there is load before the backup (2). Commands have the rights of `deno task postern` and no
 * more. Non-job: what a backup holds (tests/unit/cli/backup).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { accept, defer } from "../../core/model/reply.ts";
import { mail } from "../support/bytes.ts";
import { postern } from "../support/cli.ts";
import { RELAY_CONFIG } from "../support/configs.ts";
import { TIED } from "../support/server.ts";
import { MailSink } from "../support/mail_sink.ts";
import { AS_TASK } from "../support/program.ts";
import { Server } from "../support/server.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const SECONDS = Number(Deno.env.get("BACKUP_SECONDS") ?? 2);
const CLIENTS = 8;
const SMALL = mail(`Subject: small\n\n${("y".repeat(70) + "\n").repeat(70)}`);
const BIG = mail(`Subject: big\n\n${("z".repeat(70) + "\n").repeat(4500)}`); // a spool file

/** Clients that send as fast as they can, and one that deletes from the dev inbox, as one does who reads it. */
class Load implements AsyncDisposable {
  /** When each was answered 250, by id. */
  readonly accepted = new Map<string, number>();
  readonly removed = new Set<string>();
  #over = false;
  readonly #done: Promise<unknown>;

  constructor(readonly server: Server) {
    this.#done = Promise.all([...Array.from({ length: CLIENTS }, (_, n) => this.#send(n)), this.#remove()]);
    this.#done.catch(() => this.#over = true); // told by stop
  }
  async #send(n: number): Promise<void> {
    using client = await SmtpClient.ready(this.server.ports.smtp, { deadline: 60_000 });
    for (let count = 0; !this.#over; count++) {
      const message = count % 20 === n ? BIG : SMALL;
      const reply = await client.deliver({ from: "s@example.org", to: [`box${n}@local.example`], message });
      this.accepted.set(queuedAs(reply)!, performance.now());
    }
  }
  async #remove(): Promise<void> {
    for (let place = 0; !this.#over; place++) {
      const id = await waitFor("mail", () => this.#over ? "" : [...this.accepted.keys()][place * 5], {
        deadline: 60_000,
      });
      if (id === "") return;
      this.removed.add(id); // said before: it may be gone from now on
      const response = await fetch(`${this.server.api.base}/api/v1/messages/${id}`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${this.server.api.token}` },
      }).catch(() => null); // a connection that was kept may be closed just then
      await response?.body?.cancel();
      assert(response === null || response.ok, id);
    }
  }
  async stop(): Promise<void> {
    this.#over = true;
    await this.#done;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => {});
  }
}

Deno.test("backup under load: what had a 250 before it began is there after a restore; a killed one leaves nothing that looks whole", async () => {
  await using folder = await TempFolder.make("postern-backup-");
  await using server = await Server.start({ data: folder.at("data"), deadline: 60_000 });
  const env = { POSTERN_DATA: server.data };
  const run = (...args: string[]) => postern(args, { program: AS_TASK, env, cwd: folder.path, deadline: 120_000 });
  let before: readonly string[];
  {
    await using load = new Load(server);
    const enough = performance.now() + SECONDS * 1000;
    await waitFor("some mail", () => performance.now() > enough && load.accepted.size > 200, { deadline: 120_000 });
    const [program, ...args] = [...TIED, ...AS_TASK, "backup", folder.at("killed")];
    const doomed = new Deno.Command(program!, { args, env, cwd: folder.path, stdout: "null", stderr: "null" }).spawn();
    const found = await waitFor("the backup to begin", async () => {
      const { isDirectory } = await Deno.stat(folder.at("killed.partial")).catch(() => ({ isDirectory: false }));
      const whole = await Deno.stat(folder.at("killed")).then(() => true, () => false);
      return whole ? "whole" : isDirectory && "half";
    }, { every: 1, deadline: 60_000 });
    doomed.kill("SIGKILL");
    await doomed.status;
    // It may have come to its end in between: then it is whole
    const killed = await Deno.stat(folder.at("killed")).then(() => true, () => false);
    if (killed) assertEquals((await run("verify", folder.at("killed"))).code, 0, found);

    before = [...load.accepted.keys()];
    const { code, out, err } = await run("backup", folder.at("backup"), "--json");
    assertEquals([code, err], [0, ""]);
    const { seconds, files, octets, delivered, linked } = JSON.parse(out);
    assert(files > 0 && octets > 0 && linked > 0, out);
    const during = load.accepted.size - before.length;
    await load.stop();
    before = before.filter((id) => !load.removed.has(id));
    console.log(
      `      ${before.length} messages before the backup, some ${during} while it was made in ${seconds} s; ${files} files, ${octets} octets, ${delivered} gone meanwhile`,
    );
  }
  assertEquals((await server.stop()).code, 0);
  const verified = await run("verify", folder.at("backup"));
  assertEquals([verified.code, verified.err], [0, ""]);
  assertMatch(verified.out, /: backup of .*\n\d+ messages, .* in the dev inbox/);
  const restored = await run("restore", folder.at("backup"), "--data", folder.at("new"));
  assertEquals([restored.code, restored.err], [0, ""]);
  await using again = await Server.start({ data: folder.at("new"), deadline: 60_000 });
  const there = new Map((await again.api.messages()).map(({ id, subject }) => [id, subject]));
  assertEquals(before.filter((id) => !there.has(id)), []);
  const big = before.find((id) => there.get(id) === "big")!;
  const octets = await again.api.raw(big);
  assert(new TextDecoder().decode(octets!).endsWith(new TextDecoder().decode(BIG)));
  assertMatch((await run("restore", folder.at("backup"), "--data", folder.at("new"))).err, /in use by process/);
});

Deno.test("queue export and import: the queue of a host that retires goes on from another one, octet for octet", async () => {
  await using folder = await TempFolder.make("postern-moving-");
  let tired = true;
  await using sink = await MailSink.open({ rcpt: () => tired ? defer("4.2.0", "later") : accept() });
  const config = RELAY_CONFIG.replace(/^(?:delivery|nextHops):.*\n/gm, "") + `nextHops:
  away: { hosts: ["smtp://127.0.0.1:${sink.port}"] }
delivery: { retry: [1h], routes: [{ to: remote, via: away }] }
`;
  const file = await folder.file("postern.yaml", config), old = folder.at("old"), fresh = folder.at("fresh");
  const run = (data: string, ...args: string[]) =>
    postern(["queue", ...args, "--config", file], {
      program: AS_TASK,
      env: { POSTERN_DATA: data, POSTERN_ADMIN_TOKEN: "token-of-the-tests" },
      deadline: 120_000,
    });
  const files = folder.at("files"), ids: string[] = [];
  {
    await using server = await Server.start({ data: old, config });
    using client = await SmtpClient.ready(server.ports.smtp);
    for (const [n, message] of [SMALL, BIG, mail("Subject: ü\r\n\r\n8-bit: ÿ\r\n")].entries()) {
      ids.push(
        queuedAs(await client.deliver({ from: "s@example.org", to: [`a${n}@one.example`, `b@two.example`], message }))!,
      );
    }
    await waitFor("all to be put off", async () => {
      const { items } = await server.api.queue();
      return items.length === 3 &&
        items.every(({ recipients }) => recipients.every(({ state }) => state === "deferred"));
    });
    const busy = await run(old, "export", files);
    assertEquals([busy.code, busy.out], [1, ""]);
    assertMatch(busy.err, /in use by process \d+; stop it first/);
    await server.stop();
  }
  assertMatch((await run(old, "export", files, "--domain", "none.example")).out, /^0 messages copied/);
  const out = await run(old, "export", files, "--remove");
  assertEquals([out.code, out.err], [0, ""]);
  assertMatch(out.out, /^3 messages moved to /);
  assertEquals(JSON.parse((await run(old, "list", "--json")).out).total, 0);
  const { recipients, received } = JSON.parse(await Deno.readTextFile(`${files}/${ids[0]}.json`));
  assertEquals(recipients.map(({ state, attempts }: { state: string; attempts: number }) => [state, attempts]), [[
    "deferred",
    1,
  ], ["deferred", 1]]);
  assertEquals(received.size, (await Deno.stat(`${files}/${ids[0]}.eml`)).size);

  tired = false;
  assertMatch((await run(fresh, "import", files, "--dry-run")).out, /^3 messages can be imported/);
  const back = await run(fresh, "import", files, "--json");
  assertEquals([back.code, JSON.parse(back.out).imported], [0, 3]);
  assertEquals(JSON.parse((await run(fresh, "import", files, "--json")).out).imported, 0);
  assertEquals((await run(fresh, "retry", ...ids)).code, 0);
  await using _ = await Server.start({ data: fresh, config });
  await waitFor("all to arrive", () => sink.messages.length >= 3, { deadline: 60_000 });
  const arrived = sink.messages.map((octets) => new TextDecoder("latin1").decode(octets)).sort();
  assertEquals(arrived.length, 3);
  for (const id of ids) {
    const eml = new TextDecoder("latin1").decode(await Deno.readFile(`${files}/imported/${id}.eml`));
    const text = eml.slice(eml.indexOf("\r\n\r\n"));
    assert(arrived.some((each) => each.endsWith(text) || each.endsWith(`${text}\r\n`)), id);
  }
});
