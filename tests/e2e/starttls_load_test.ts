/**
 * STARTTLS under load: no session hangs. Where a socket is not paused before it becomes TLS's, some do: at fifty
 * connections now and then, at two hundred in every run. Both of the runtime's ways to be a client take part: each has its own upgrade.
 */
import { assertEquals } from "@std/assert";
import { SmtpConnection } from "../../cli/smtp/connection.ts";
import { SmtpDialogue } from "../../cli/smtp/dialogue.ts";
import { mail } from "../support/bytes.ts";
import { testWith } from "../support/debian.ts";
import { SmtpClient, type Trust } from "../support/smtp_client.ts";
import { PROBE, strangersConfig, Target } from "../support/target.ts";
import { Authority, MAKES_CERTIFICATES } from "../support/tls.ts";
import { within } from "../support/wait.ts";

/** The load at which it was measured first, and one at which it shows in every run. */
const LOADS = [{ sessions: 1000, connections: 50 }, { sessions: 2000, connections: 200 }];
/** For one session, and for all: many times what they take. */
const SESSION_MS = 15_000, ALL_MS = 120_000;
/** With so many handshakes at once it settles there, after 28,000 sessions as after 6,000. */
const SLACK = 256 * 1024 * 1024;
const MESSAGE = mail("From: <a@sender.example>\nSubject: load\n\nx\n");

/** The runtime's own upgrade (Deno.startTls). Under load it loses descriptors of its own, so that few take part. */
async function native(port: number, trust: Trust): Promise<void> {
  using client = await SmtpClient.secured(port, trust, { deadline: SESSION_MS });
  await client.command("MAIL FROM:<a@sender.example>", 250);
  await client.quit();
}

/** That of node:tls, by the client of `postern send`, with a message. */
async function nodeTls(port: number, { ca }: Trust): Promise<void> {
  const server = { host: "127.0.0.1", port };
  using connection = await SmtpConnection.open(server);
  const outcome = await new SmtpDialogue(connection, () => {}).deliver(
    { from: "a@sender.example", to: [PROBE], content: MESSAGE },
    { helo: "client.example", starttls: { name: "127.0.0.1", ca }, server },
  );
  if (!outcome.accepted) throw new Error(outcome.reply);
}

testWith(
  MAKES_CERTIFICATES,
  "STARTTLS: thousands of sessions at 50 and at 200 connections, and none hangs",
  async (t) => {
    await using authority = await Authority.make();
    const { certFile, keyFile } = await authority.issue();
    const rest = `tls: { certificates: [{ cert: ${certFile}, key: ${keyFile} }] }
plugins: [{ inbox: { everything: true } }]`;
    await using target = await Target.start({ config: strangersConfig({ rest, limits: "connectionsPerIp: 300" }) });
    const trust = { ca: authority.ca };
    for (const { sessions, connections } of LOADS) {
      await t.step(`${sessions} at ${connections}`, async () => {
        const failures: string[] = [];
        let next = 0, done = 0;
        const worker = async () => {
          for (let turn = next++; turn < sessions; turn = next++) {
            const session = turn % 5 === 0 ? native(target.port, trust) : nodeTls(target.port, trust);
            await within(`session ${turn}`, session, SESSION_MS).then(
              () => done++,
              (error) => failures.push(String(error)),
            );
          }
        };
        await within("all sessions", Promise.all(Array.from({ length: connections }, worker)), ALL_MS);
        assertEquals([failures, done], [[], sessions]);
        await target.unharmed(`${sessions} handshakes`, { slack: SLACK });
      });
    }
  },
);
