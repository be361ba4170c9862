/**
 * What plugins leave for each other, in the words of `explain`: every key of every plugin has a row, so that a new one
 * says how it is told. Non-job: when a key is set (the tests of each plugin).
 */
import { assertEquals } from "@std/assert";
import type { Key, Scope } from "postern";
import { filesBelow } from "../../support/files_below.ts";

type AnyKey = Key<never, Scope>;
const address = (local: string, domain: string) => ({ local, domain });
const spf = (result: string, identity: string) => ({ result, identity, domain: "a.example" });
const signature = (result: string, selector: string | null) => ({ result, domain: "a.example", selector });
const arc = (cv: string, count: number, trusted: boolean) => ({
  cv,
  trusted,
  sealers: Array.from({ length: count }, (_, at) => ({ instance: at + 1, domain: `s${at + 1}.example` })),
});
const dmarc = (result: string, domain: string | null, policy: string | null) => ({
  result,
  domain,
  policy,
  policyDomain: "example",
});
const listed = (count: number) =>
  Array.from(
    { length: count },
    (_, at) => ({ zone: `l${at + 1}.example`, subject: "192.0.2.1", codes: [], weight: at }),
  );

/** Values of each key, and how they are told. */
const ROWS: Readonly<Record<string, readonly (readonly [value: unknown, words: string])[]>> = {
  spf: [[spf("fail", "mailfrom"), "fail for a.example"]],
  "spf.helo": [[spf("pass", "helo"), "pass for the HELO name a.example"]],
  dkim: [
    [{ result: "none", signatures: [], more: 0 }, "none"],
    [{ result: "fail", signatures: [signature("fail", "s1")], more: 0 }, "fail, by a.example with s1"],
    [
      { result: "pass", signatures: [signature("fail", null), signature("pass", "s2")], more: 0 },
      "pass of 2: fail by a.example, pass by a.example with s2",
    ],
  ],
  arc: [
    [arc("none", 0, false), "none"],
    [arc("pass", 2, true), "pass, sealed by s1.example, s2.example, who are trusted"],
    [arc("pass", 50, false), "pass, sealed by s1.example, s2.example, s3.example, s4.example, s5.example and more"],
  ],
  dmarc: [
    [dmarc("permerror", null, null), "permerror"],
    [dmarc("none", "a.example", null), "none for a.example"],
    [dmarc("fail", "a.example", "reject"), "fail for a.example, policy reject of example"],
  ],
  fcrdns: [
    [{ result: "none", name: null, names: [] }, "none"],
    [{ result: "pass", name: "mail.example", names: [] }, "pass, mail.example"],
  ],
  helo: [
    [{ name: "mail.example", faults: [], confirmed: null }, "mail.example: nothing odd"],
    [{ name: "mail.example", faults: [], confirmed: true }, "mail.example: its own"],
    [{ name: "localhost", faults: ["own"], confirmed: null }, "localhost: own"],
  ],
  "dnsbl.listed": [
    [[], "none"],
    [listed(2), "l1.example (weight 0), l2.example (weight 1)"],
    [
      listed(9),
      "l1.example (weight 0), l2.example (weight 1), l3.example (weight 2), l4.example (weight 3), " +
      "l5.example (weight 4) and 4 more",
    ],
  ],
  "dnsbl.allowed": [[[], "none"]],
  "dnsbl.helo": [[[], "none"]],
  "dnsbl.sender": [[[], "none"]],
  early_talker: [[true, "talked before the greeting"], [false, "waited for the greeting"]],
  geoip: [
    [{ country: "DE", asn: 64500, organization: "Example" }, "DE, AS64500 (Example)"],
    [{ country: null, asn: 64500, organization: null }, "no known country, AS64500"],
    [{ country: "DE", asn: null, organization: null }, "DE, no known network"],
  ],
  greylist: [["waiting", "waiting"], ["known", "known"]],
  reputation: [
    [{ address: 0.666, network: 0.1, domain: null }, "client 0.67, network 0.1, domain none (-1 good, 1 bad)"],
    [{ address: 0, network: 0, domain: -0.5 }, "client 0, network 0, domain -0.5 (-1 good, 1 bad)"],
  ],
  "bounce.tagged": [
    [{ address: address("a", "example"), expires: 1, expired: false }, "a tag of ours that counts"],
    [{ address: address("a", "example"), expires: 1, expired: true }, "a tag of ours that has expired"],
  ],
  bounced: [[
    { sender: address("news", "a.example"), recipient: address("bob", "b.example") },
    "mail of news@a.example to bob@b.example",
  ]],
  relay: [["identity", "the client has logged in"]],
  "spam_trap.hits": [[2, "2"]],
  mailbox: [
    [{ name: "ada@example.org", detail: "" }, "ada@example.org"],
    [{ name: "ada@example.org", detail: "news" }, "ada@example.org, detail news"],
  ],
  any_login: [[true, "the login proves nothing"]],
  account: [
    [{ name: "alice", senders: [] }, "alice"],
    [{ name: "alice", senders: ["a@example.org", "@b.example"] }, "alice, may send as a@example.org, @b.example"],
    [{ name: "alice", senders: Array(9).fill("*") }, "alice, may send as *, *, *, *, * and others"],
  ],
  headers: [[[], "nothing wrong"], [["missingDate", "duplicate"], "missingDate, duplicate"]],
  attachments: [
    [[], "nothing"],
    [
      [{ rule: "name", part: "1", where: "a.exe", what: ".exe" }, { rule: "count", part: null, where: "", what: "" }],
      "name a.exe, count",
    ],
  ],
  uribl: [
    [[], "none"],
    [[{ zone: "uri.example", subject: "spam.example", codes: [], weight: 1 }], "spam.example by uri.example"],
  ],
  feedback: [[
    { kind: "dsn", told: [{ recipient: null, what: "5.1.1", done: "suppressed" }] },
    "dsn: 5.1.1 suppressed",
  ]],
  "spam_score.limits": [
    [{ quarantine: 6, reject: 12 }, "held from 6, refused from 12"],
    [{ quarantine: 6, reject: Infinity }, "held from 6, refused from never"],
  ],
};

Deno.test("every key that plugins leave for others is told in words", async () => {
  const keys = new Map<string, AnyKey>();
  for (const path of filesBelow("plugins", /\/key\.ts$/)) {
    const module: Record<string, unknown> = await import(import.meta.resolve(`../../../${path}`));
    for (const value of Object.values(module)) if (isKey(value)) keys.set(value.name, value);
  }
  assertEquals([...keys.keys()].sort(), Object.keys(ROWS).sort());
  for (const [name, rows] of Object.entries(ROWS)) {
    const { tell } = keys.get(name)!;
    assertEquals(rows.map(([value]) => tell?.(value as never)), rows.map(([, words]) => words), name);
  }
});

function isKey(value: unknown): value is AnyKey {
  return typeof value === "object" && value !== null && "scope" in value && "name" in value;
}
