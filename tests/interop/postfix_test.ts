/** Postfix as a client: it relays through the submission service, with the TLS level `secure` and a login. */
import { assertEquals, assertMatch } from "@std/assert";
import { mail } from "../support/bytes.ts";
import { testUnless } from "../support/debian.ts";
import { POSTFIX_MISSING } from "../support/postfix.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { PASSWORD, SubmissionSite, USER } from "../support/submission_site.ts";
import { waitFor } from "../support/wait.ts";
import { startRelay } from "./postfix_relay.ts";

const NAME = "mx.local.example";
const MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"];

testUnless(
  POSTFIX_MISSING,
  "Postfix relays through us: secure TLS, STARTTLS and at once, each mechanism of Cyrus SASL",
  async (t) => {
    await using site = await SubmissionSite.start();
    const ways = MECHANISMS.flatMap((mechanism) => [
      { mechanism, to: site.ports.starttls, wrapper: false, name: NAME },
      { mechanism, to: site.ports.implicit, wrapper: true, name: NAME },
    ]);
    const wrong = { mechanism: "PLAIN", to: site.ports.starttls, wrapper: false, name: "other.example" };
    const { postfix: started, ports } = await startRelay({
      caFile: site.authority.caFile,
      user: USER,
      password: PASSWORD,
      ways: [...ways, wrong],
    });
    await using postfix = started;
    const hand = async (index: number, subject: string) => {
      using client = await SmtpClient.ready(ports[index]!);
      const message = mail(`From: <${USER}>\nTo: <box@local.example>\nSubject: ${subject}\n\nx\n`);
      const reply = await client.deliver({ from: USER, to: ["box@local.example"], message });
      assertEquals(reply.code, 250);
      await client.quit();
    };
    const found = async (subject: string) =>
      (await site.server.api.messages()).find((each) => each.subject === subject);

    for (const [index, { mechanism, wrapper }] of ways.entries()) {
      const subject = `${mechanism}, ${wrapper ? "TLS at once" : "STARTTLS"}`;
      await t.step(subject, async () => {
        const before = site.logins(mechanism);
        await hand(index, subject);
        const message = await waitFor(subject, () => found(subject)).catch(async (error) => {
          throw new Error(`${(error as Error).message}: ${await postfix.log()}\n${site.server.output}`);
        });
        const text = new TextDecoder().decode((await site.server.api.raw(message.id))!);
        assertMatch(text, /^Received: from front\.example \(.*\)\r\n\tby \S+ \(Postern\) with ESMTPSA /m);
        await waitFor("the login in the log", () => site.logins(mechanism) === before + 1);
        await waitFor(
          "Postfix's own word for it",
          async () => /Verified TLS connection established to 127\.0\.0\.1/.test(await postfix.log()),
        );
      });
    }
    await t.step("a certificate for another name gets nothing, and no login", async () => {
      const before = site.logins("PLAIN");
      await hand(ways.length, "another name");
      await waitFor("Postfix to defer it", async () => /Server certificate not verified/.test(await postfix.log()));
      assertEquals(await found("another name"), undefined);
      assertEquals(site.logins("PLAIN"), before);
    });
  },
);
