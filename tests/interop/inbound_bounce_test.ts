/**
 * A bounce that a real Postfix writes about mail of ours: it comes to the signed return path, and who it is about gets
 * nothing more. Non-job: what reports say (tests/interop/feedback_reports_test.ts), tags (batv_exim_test.ts).
 */
import { assertEquals, assertMatch } from "@std/assert";
import { reject } from "../../core/model/reply.ts";
import { testUnless } from "../support/debian.ts";
import { InboundSite } from "../support/inbound_site.ts";
import { MailHost } from "../support/mail_host.ts";
import { freePort } from "../support/ports.ts";
import { Postfix, POSTFIX_MISSING } from "../support/postfix.ts";

const PLUGINS = `  - bounce: { secrets: [a secret of some length] }
  - relay: { networks: [198.51.100.0/24] }
  - recipients: { accounts: { me: inbox } }
  - feedback: { hard: 30d }
  - inbox`;

testUnless(
  POSTFIX_MISSING,
  "case 25: Postfix bounces mail of ours, and its recipient is on the suppression list then",
  async () => {
    await using last = await MailHost.open({
      answer: (event) =>
        event.type === "rcpt" && event.address.local === "gone" ? reject("5.1.1", "No such user") : undefined,
    });
    const next = freePort();
    await using site = await InboundSite.start({ plugins: PLUGINS, next });
    using back = site.seenAs("192.0.2.9");
    await using postfix = await Postfix.start(
      `disable_dns_lookups = yes
smtp_host_lookup = native
transport_maps = inline:{ { home.example = smtp:[127.0.0.1]:${back.port} } }
default_transport = smtp:[127.0.0.1]:${last.port}`,
      { port: next },
    );
    const send = (to: string) =>
      site.take({
        ip: "198.51.100.7",
        from: "me@home.example",
        to,
        message: `From: me@home.example\nTo: ${to}\nSubject: hello\nMessage-ID: <${to}>\n\nHello\n`,
      });
    const first = await send("gone@peers.example");
    await site.logged("delivered", ({ transaction }) => transaction === first); // Postfix took it
    const report = await site.inbox("Content-Type: multipart/report").catch(async (error) => {
      throw new Error(`${error.message}: ${await postfix.log()}`);
    });
    assertMatch(report, /^Final-Recipient: rfc822; ?gone@peers\.example\r$/m);
    assertMatch(report, /^Return-Path: <>\r\n/);
    const { out } = await site.run("suppress", "list", "--json");
    const { items } = JSON.parse(out) as { items: { address: string; since: string; until: string }[] };
    assertEquals(items.map(({ address }) => address), ["gone@peers.example"]);
    assertEquals(Date.parse(items[0]!.until) - Date.parse(items[0]!.since), 30 * 86_400_000);

    const second = await send("gone@peers.example"), third = await send("bob@peers.example");
    const bounced = await site.logged("bounced", ({ transaction }) => transaction === second);
    assertEquals([bounced["status"], bounced["relay"]], ["5.7.1", null]);
    await site.logged("delivered", ({ transaction }) => transaction === third);
    await postfix.fateOf("bob@peers.example", "sent");
    assertEquals(last.asked.filter((each) => each === "rcpt gone@peers.example").length, 1);
  },
);
