/** Invariants of the client and the server engine joined by a wire: what is sent arrives, octet for octet, or is told. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { deriveScramKeys, formatScramKeys } from "../../core/smtp/sasl/scram_keys.ts";
import { Offer } from "../../core/smtp/extensions.ts";
import { transaction } from "../support/client_dialogue.ts";
import { LIMITS } from "../support/engine.ts";
import { exchange, type Mail, type WireOptions } from "../support/wire.ts";

const line = fc.oneof(
  { weight: 3, arbitrary: fc.stringMatching(/^[ -~]{0,60}$/) },
  { weight: 2, arbitrary: fc.constantFrom("", ".", "..", ".x", ". ", "QUIT", "BDAT 0 LAST", "\0", "\xff\xfe") },
);
const lines = fc.array(line, { maxLength: 30 }).map((all) => all.map((each) => `${each}\r\n`).join(""));
const binary = fc.uint8Array({ maxLength: 3000 }).map((raw) => String.fromCharCode(...raw));
const name = fc.constantFrom("a", "b", "c", "no.1", "no.2", "later.1", "full.1", "full.2");
const to = fc.uniqueArray(name, { minLength: 1, maxLength: 6 }).map((names) =>
  names.map((each) => `${each}@y.example`)
);
const mail = fc.oneof(
  fc.tuple(to, lines, fc.boolean()).map(([recipients, content, big]) => ({
    recipients,
    content: content.repeat(big ? 400 : 1),
    body: "8BITMIME" as const,
  })),
  fc.tuple(to, binary, fc.boolean()).map(([recipients, content, big]) => ({
    recipients,
    content: content.repeat(big ? 60 : 1),
    body: "BINARYMIME" as const,
  })),
);
/** Sizes of pieces: octet by octet where all is small, else so that a run has an end. */
const cuts = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 50, max: 5000 }), fc.constant(100_000)),
  {
    minLength: 1,
    maxLength: 9,
  },
);
const hide = fc.subarray(["PIPELINING", "CHUNKING", "BINARYMIME", "8BITMIME", "SIZE", "ENHANCEDSTATUSCODES"]).map((
  all,
) => all.includes("8BITMIME") ? [...all, "BINARYMIME"] : all // one parameter tells both
);

type Drawn = { recipients: string[]; content: string; body: "8BITMIME" | "BINARYMIME" };
const asMail = ({ recipients, content, body }: Drawn): Mail => ({
  content,
  transaction: transaction(recipients, { body, size: content.length }),
});

/** What has to come of it. */
function expected(mails: readonly Drawn[], hidden: readonly string[], lmtp: boolean) {
  const chunks = !hidden.includes("CHUNKING") && !hidden.includes("BINARYMIME");
  const results = mails.map(({ recipients, content, body }) => {
    const lacking = body === "BINARYMIME" ? !chunks : hidden.includes("8BITMIME");
    const outcomes = recipients.map((each) => {
      if (lacking) return "reject 5.6.3 envelope";
      if (each.startsWith("no")) return "reject 5.1.1 rcpt";
      if (each.startsWith("later")) return "defer 4.2.1 rcpt";
      return lmtp && each.startsWith("full") ? "defer 4.2.2 dot" : "accept 2.0.0 dot";
    });
    return { outcomes, content, arrived: recipients.filter((_, i) => outcomes[i]!.startsWith("accept")) };
  });
  return results;
}

Deno.test("cases 51 and 65: in any cut both ways, by DATA or BDAT, pipelined or not, SMTP or LMTP, the same arrives", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(mail, { minLength: 1, maxLength: 3 }),
      cuts,
      hide,
      fc.boolean(),
      fc.boolean(),
      fc.constantFrom(1, 2, 100),
      async (mails, pieces, hidden, lmtp, chunking, most) => {
        const small = mails.every(({ content }) => content.length < 2000);
        const options: WireOptions = {
          cuts: small ? pieces : pieces.map((each) => Math.max(each, 1000)),
          client: { chunking },
          server: {
            lmtp,
            limits: {
              ...LIMITS,
              size: 1_000_000,
              line: 1_000_000,
              header: 1_000_000,
              recipients: most,
              junk: 10_000,
              errors: 10_000,
            },
            offer: new Offer({ size: 1_000_000, recipients: most, binarymime: true, hide: hidden }),
          },
        };
        const { deliveries, outcomes, failure } = await exchange(mails.map(asMail), options);
        assertEquals(failure, null);
        const results = expected(mails, hidden, lmtp);
        assertEquals(outcomes.map((each) => each.toSorted()), results.map((each) => each.outcomes.toSorted()));
        // With few recipients at a time a message comes in several transactions
        const arrived = deliveries.flatMap(({ recipients, content }) => recipients.map((each) => ({ each, content })));
        const wanted = results.flatMap(({ arrived, content }) => arrived.map((each) => ({ each, content })));
        assertEquals(arrived, wanted);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("TLS, a login and mail behind it, in any cut", async () => {
  const keys = formatScramKeys(await deriveScramKeys("secret", { iterations: 4096, salt: new Uint8Array(16) }));
  await fc.assert(
    fc.asyncProperty(
      lines,
      cuts,
      fc.constantFrom("PLAIN", "LOGIN", "SCRAM-SHA-256"),
      async (content, pieces, mechanism) => {
        const mails = [asMail({ recipients: ["a@y.example"], content, body: "8BITMIME" })];
        const server = {
          offer: new Offer({ size: 100_000, recipients: 100, startTls: true, mechanisms: [mechanism] }),
          demands: { tls: true, auth: true },
        };
        const login = {
          credentials: { user: "alice", password: "secret" },
          server: { host: "mx.example.org", port: 587 },
          random: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
        };
        const stored = mechanism.startsWith("SCRAM") ? keys : "clear:secret";
        const options: WireOptions = { cuts: pieces, server, client: { tls: "required", login }, password: stored };
        const { deliveries, outcomes, failure, said, secure, identified } = await exchange(mails, options);
        assertEquals([failure, outcomes, secure, identified], [null, [["accept 2.0.0 dot"]], true, true]);
        assertEquals(deliveries, [{ sender: "a@b.example", recipients: ["a@y.example"], content }]);
        assert(said.indexOf("AUTH ") > said.indexOf("STARTTLS"), "no word of the login before TLS");
        const wrong = await exchange(mails, {
          ...options,
          password: mechanism.startsWith("SCRAM") ? keys.replace(/.{4}$/, "AAA=") : "clear:other",
        });
        assert(wrong.failure !== null && wrong.failure.startsWith("defer"), String(wrong.failure));
        assertEquals(wrong.deliveries, []);
      },
    ),
    { numRuns: 20 },
  );
});
