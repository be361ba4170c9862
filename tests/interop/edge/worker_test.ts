/** The example of an edge worker, as it is, in the real runtime of the platform: checks, forwards, refuses, puts off. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { recordName, recordText, sign } from "../../../core/dkim/mod.ts";
import { join, mail, octets } from "../../support/bytes.ts";
import { DohServer, textZone } from "../../support/doh_server.ts";
import { waitFor } from "../../support/wait.ts";
import { Worker } from "../../support/workerd.ts";
import { content } from "../../unit/dkim/crafted.ts";
import { RFC_ED25519 } from "../../unit/dkim/keys.ts";

const FROM = "amy@example.net", TO = "ann@example.org";
const date = () => new Date().toUTCString().replace("GMT", "+0000");
const header = (domain: string, more = "") =>
  `From: Amy <amy@${domain}>\nTo: ${TO}\nSubject: hello\nDate: ${date()}\nMessage-ID: <1@${domain}>\n${more}`;

async function signed(message: string, domain = "example.net"): Promise<Uint8Array<ArrayBuffer>> {
  const plain = mail(message), key = { domain, selector: "s1", key: RFC_ED25519 };
  return join(octets((await sign(content(plain), [key], { now: Date.now() }))!), plain);
}

// workerd is a process of its own, and what carries its output outlives the last answer
const free = { sanitizeOps: false, sanitizeResources: false };

Deno.test("the example of an edge worker in workerd", free, async (t) => {
  const record = await recordText(RFC_ED25519);
  await using dns = new DohServer(textZone({
    [recordName("example.net", "s1")]: [record],
    "_dmarc.example.net": ["v=DMARC1; p=reject"],
    [recordName("other.example", "s1")]: [record],
    "_dmarc.other.example": ["v=DMARC1; p=reject"],
    [recordName("broken.example", "s1")]: null,
    "_dmarc.broken.example": null,
  }));
  await using worker = await Worker.start({
    entry: "examples/edge_worker/worker.ts",
    bindings: { FORWARD_TO: "ann@verified.example", DNS: dns.url },
  });
  const outcome = (message: string | Uint8Array<ArrayBuffer>, from = FROM) => worker.email(from, TO, message);

  await t.step("it fits into what the platform takes", () => assert(worker.size < 3_000_000, String(worker.size)));
  await t.step("a signed message goes on, with what was found out in front of it", async () => {
    const { forwards, ...rest } = await outcome(await signed(`${header("example.net")}\nHello\n`));
    const [{ recipient, headers } = { recipient: "", headers: [] }] = forwards;
    assertEquals([rest.outcome, rest.rejectReason, recipient], ["ok", undefined, "ann@verified.example"]);
    const results = new Headers(headers.map(([name, value]) => [name, value])).get("x-postern-authentication-results");
    assertMatch(results ?? "", /^edge\.example\.org;\s*dkim=pass .*header\.d=example\.net.*dmarc=pass/);
  });
  await t.step("several at once, none waits for what another has begun", async () => {
    const message = await signed(`${header("other.example")}\nHello\n`, "other.example");
    const all = await Promise.all(Array.from({ length: 8 }, () => outcome(message, "amy@other.example")));
    assertEquals(all.map(({ outcome, forwards }) => `${outcome} ${forwards.length}`), Array(8).fill("ok 1"));
  });
  await t.step("in the name of others it is refused, with a reference", async () => {
    for (const message of [mail(`${header("example.net")}\nHello\n`), await tampered()]) {
      const { outcome: end, rejectReason = "", forwards } = await outcome(message);
      assertEquals([end, forwards], ["ok", []]);
      assertMatch(rejectReason, /^5\.7\.1 Email rejected per DMARC policy for example\.net \(ref [0-9A-Z]{8}\)$/);
    }
  });
  await t.step("a plugin of our own, and points", async () => {
    const shouted = await signed(`${header("example.net").replace("hello", "READ THIS NOW")}\nHello\n`);
    assertMatch((await outcome(shouted)).rejectReason ?? "", /^5\.7\.1 Please do not shout \(ref /);
    const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
    const spam = await signed(`${header("example.net")}\n${gtube}\n`);
    assertMatch((await outcome(spam)).rejectReason ?? "", /^5\.7\.1 Message looks like spam \(ref /);
  });
  await t.step("when name service fails nobody is refused for good: the platform is to come again", async () => {
    const { outcome: end, rejectReason, forwards } = await outcome(
      await signed(`${header("broken.example")}\nHello\n`, "broken.example"),
      "amy@broken.example",
    );
    assertEquals([end, rejectReason, forwards], ["exception", undefined, []]);
  });
  await t.step("messages that are meant to be expensive are answered", async () => {
    const deep = Array.from({ length: 2000 }, (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\n\n--b${i}\n`);
    const table: readonly [string, string][] = [
      ["900 fields", `${header("example.net", "a:\n".repeat(900))}\nHello\n`],
      ["a field without end", `${header("example.net", `X-A: ${"a, ".repeat(150_000)}\n`)}\nHello\n`],
      ["2,000 levels", `${header("example.net")}${deep.join("")}Hello\n`],
      [
        "900 signatures",
        `${"DKIM-Signature: v=1; d=example.net; s=s1; b=AA; bh=AA; h=from; a=rsa-sha256\n".repeat(900)}${
          header("example.net")
        }\nHello\n`,
      ],
    ];
    for (const [name, message] of table) {
      const { outcome: end, rejectReason } = await outcome(mail(message));
      assert(end === "ok" && rejectReason !== undefined, `${name}: ${end} ${rejectReason} ${worker.lines.at(-2)}`);
    }
  });
  await t.step("one line of its log says who decided what", async () => {
    const line = await waitFor("the line", () => worker.lines.find((each) => each.includes("Please do not shout")));
    const { verdict, by, decisions } = JSON.parse(line);
    assertEquals([verdict, by], ["reject", "no_shouting"]);
    assertEquals(decisions.map(({ plugin }: { plugin: string }) => plugin), [
      "dkim",
      "dmarc",
      "headers",
      "no_shouting",
    ]);
  });

  async function tampered(): Promise<Uint8Array<ArrayBuffer>> {
    const message = await signed(`${header("example.net")}\nHello\n`);
    return octets(new TextDecoder().decode(message).replace("Hello", "Hullo"));
  }
});
