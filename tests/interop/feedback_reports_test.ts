/**
 * Reports as Postfix and Exim write them: what they send back to a signed return path puts who was not there on the
 * suppression list. Non-job: our own reports (tests/unit/plugins/content/feedback).
 */
import { assertEquals } from "@std/assert";
import { formatAddress, runPhase, simulate, SimulatedCounters } from "postern";
import { reject, type Reply } from "../../core/model/reply.ts";
import type { Asking } from "../../core/smtp/events.ts";
import { bounce } from "../../plugins/access/bounce/mod.ts";
import { recipients } from "../../plugins/accounts/recipients/mod.ts";
import { FEEDBACK, feedback } from "../../plugins/content/feedback/mod.ts";
import { octets } from "../support/bytes.ts";
import { testUnless } from "../support/debian.ts";
import { Exim, EXIM_MISSING } from "../support/exim.ts";
import { MailHost } from "../support/mail_host.ts";
import { Postfix, POSTFIX_MISSING } from "../support/postfix.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { waitFor } from "../support/wait.ts";

/** The next host of all mail: knows whom it does not know, and keeps what comes back. */
function moods(event: Asking): Reply | undefined {
  if (event.type !== "rcpt") return undefined;
  if (event.address.local.startsWith("no")) return reject("5.1.1", "No such user here");
  if (event.address.local.startsWith("full")) return reject("5.2.2", "The mailbox is full", { code: 552 });
  return undefined;
}

const plugins = [
  bounce({ secrets: ["a secret of some length"] }),
  recipients({ accounts: ["alice"] }),
  feedback({ soft: { count: 2 } }),
];
const host = { domains: ["home.example"] };

/** A mail of alice's through the other server, and what becomes of its report here. */
async function judged(port: number, far: MailHost, to: string): Promise<unknown> {
  const counters = new SimulatedCounters(Date.now), now = Date.now;
  const message = `From: alice@home.example\nTo: ${to}\nMessage-ID: <to-${to}>\nSubject: hello\n\nHello\n`;
  const { departure } = await runPhase(plugins, "deliver", {
    from: "alice@home.example",
    to,
    message,
    host,
    counters,
    now,
    identity: "alice",
  });
  const from = departure!.envelopes[0]!.from;
  using client = await SmtpClient.ready(port);
  const { code } = await client.deliver({ from, to: [to], message: octets(departure!.sent) });
  assertEquals(code, 250);
  await client.quit();
  const about = () => far.of(from).find(({ text }) => text.includes(`<to-${to}>`));
  const report = await waitFor(`the report about ${to}`, about, { deadline: 60_000 });
  assertEquals(report.sender, "");
  const { suppressed, reply, get } = await simulate(plugins, {
    from: null,
    to: from,
    message: report.content as Uint8Array<ArrayBuffer>,
    host,
    counters,
    now,
  });
  assertEquals(reply.code, 250);
  const told = get(FEEDBACK)!.told.map(({ recipient, what, done }) =>
    `${recipient && formatAddress(recipient)} ${what} ${done}`
  );
  return [told, suppressed.map(({ address }) => formatAddress(address))];
}

async function contract(port: number, far: MailHost): Promise<void> {
  assertEquals(await judged(port, far, "nobody@far.example"), [
    ["nobody@far.example 5.1.1 suppressed"],
    ["nobody@far.example"],
  ]);
  assertEquals(await judged(port, far, "full@far.example"), [["full@far.example 5.2.2 counted"], []]);
}

testUnless(POSTFIX_MISSING, "feedback: reports of Postfix", async () => {
  await using far = await MailHost.open({ answer: moods });
  await using postfix = await Postfix.start(`disable_dns_lookups = yes
smtp_host_lookup = native
default_transport = smtp:[127.0.0.1]:${far.port}`);
  await contract(postfix.port, far);
});

testUnless(EXIM_MISSING, "feedback: reports of Exim", async () => {
  await using far = await MailHost.open({ answer: moods });
  await using exim = await Exim.start({ onward: far.port });
  await contract(exim.port, far);
});
