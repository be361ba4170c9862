/** The examples of RFC 9989's appendices as tables, and what their text says beside them. */
import { assert, assertEquals } from "@std/assert";
import { MemoryResolver, type MemoryZone } from "../../../../../core/pipeline/mod.ts";
import { type Authenticated, evaluate } from "../../../../../plugins/identity/dmarc/evaluate.ts";
import { namesAbove, TreeWalk } from "../../../../../plugins/identity/dmarc/tree_walk.ts";

const { signal } = new AbortController();
const record = (tags: string) => ({ txt: [`v=DMARC1; ${tags}`] });

async function check(zone: MemoryZone, who: Partial<Authenticated> & { author: string }) {
  const dns = new MemoryResolver(zone);
  const found = await evaluate({ spf: null, dkim: [], undecided: [], ...who }, { dns, signal });
  return { ...found, domain: found.published?.domain ?? null, queries: dns.queries };
}

Deno.test("a walk asks at most eight times (RFC 9989 4.10, B.4.2)", () => {
  assertEquals(
    namesAbove("a.b.c.d.e.f.g.h.i.j.mail.example.com"),
    [
      "a.b.c.d.e.f.g.h.i.j.mail.example.com",
      "g.h.i.j.mail.example.com",
      "h.i.j.mail.example.com",
      "i.j.mail.example.com",
      "j.mail.example.com",
      "mail.example.com",
      "example.com",
      "com",
    ].map((name) => name),
  );
  assertEquals(namesAbove("example.com"), ["example.com", "com"]);
  assertEquals(namesAbove("a.b.c.d.e.f.g.h").length, 8);
  assertEquals(namesAbove("a.b.c.d.e.f.g.h.i").length, 8);
  assertEquals(namesAbove("com"), ["com"]);
});

Deno.test("the organizational domain (RFC 9989 4.10.2, B.4)", async () => {
  const plain = record("p=none");
  const table: readonly [string, MemoryZone, string][] = [
    ["a.mail.example.com", { "_dmarc.mail.example.com": plain, "_dmarc.example.com": plain }, "example.com"],
    [
      "a.mail.example.com",
      { "_dmarc.mail.example.com": record("psd=n"), "_dmarc.example.com": plain },
      "mail.example.com",
    ],
    ["a.mail.example.com", { "_dmarc.com": record("psd=y") }, "example.com"],
    ["mail.example.com", { "_dmarc.example.com": record("psd=y") }, "mail.example.com"],
    ["example.com", { "_dmarc.example.com": record("psd=y"), "_dmarc.com": plain }, "example.com"], // where it began
    ["a.example.com", {}, "a.example.com"],
    [
      "giant.bank.example",
      { "_dmarc.giant.bank.example": plain, "_dmarc.bank.example": record("psd=y") },
      "giant.bank.example",
    ],
    [
      "mail.mega.bank.example",
      { "_dmarc.bank.example": record("psd=y"), "_dmarc.example": plain },
      "mega.bank.example",
    ],
    // of two records at one name neither counts
    ["a.example.com", { "_dmarc.example.com": { txt: ["v=DMARC1;", "v=DMARC1; p=none"] } }, "a.example.com"],
    ["a.example.com", { "_dmarc.example.com": { txt: ["v=DMARC1;", "v=spf1 -all"] } }, "example.com"],
    ["a.b.c.d.e.f.g.h.i.j.k.example.com", { "_dmarc.example.com": plain }, "example.com"],
    // the names that the walk leaves out have nothing to say
    [
      "a.b.c.d.e.f.g.h.i.j.k.example.com",
      { "_dmarc.b.c.d.e.f.g.h.i.j.k.example.com": plain },
      "a.b.c.d.e.f.g.h.i.j.k.example.com",
    ],
  ];
  for (const [domain, zone, expected] of table) {
    assertEquals(await new TreeWalk(new MemoryResolver(zone), signal).organization(domain), expected, domain);
  }
});

Deno.test("whose record it is, and which policy of it (RFC 9989 4.10.1)", async () => {
  const org = {
    "_dmarc.example.com": record("p=reject; sp=quarantine; np=none"),
    "there.example.com": { a: ["192.0.2.1"] },
  };
  const psd = { "_dmarc.bank.example": record("psd=y; p=none; np=reject") };
  const table: readonly [MemoryZone, string, string | null, string | null][] = [
    [org, "example.com", "example.com", "reject"],
    [org, "there.example.com", "example.com", "quarantine"],
    [
      { ...org, "there.example.com": { mx: [[1, "mx.example.com"]] } },
      "there.example.com",
      "example.com",
      "quarantine",
    ],
    [org, "gone.example.com", "example.com", "none"],
    [{ "_dmarc.example.com": record("p=reject") }, "gone.example.com", "example.com", "reject"],
    [{ "_dmarc.example.com": record("p=none; sp=reject") }, "gone.example.com", "example.com", "reject"],
    // a record between is neither the author's nor the organization's
    [{ ...org, "_dmarc.there.example.com": record("p=none") }, "a.there.example.com", "example.com", "none"],
    [{ ...org, "_dmarc.there.example.com": record("p=none") }, "there.example.com", "there.example.com", "none"],
    [
      { ...org, "_dmarc.there.example.com": record("p=quarantine; psd=n") },
      "a.there.example.com",
      "there.example.com",
      "quarantine",
    ],
    [psd, "mega.bank.example", "bank.example", "reject"],
    [
      { ...psd, "_dmarc.giant.bank.example": record("p=quarantine") },
      "giant.bank.example",
      "giant.bank.example",
      "quarantine",
    ],
    [{ "_dmarc.example.com": record("p=reject; t=y") }, "example.com", "example.com", "quarantine"],
    [{ "_dmarc.example.com": record("p=quarantine; t=y") }, "example.com", "example.com", "none"],
    [{}, "example.com", null, null],
  ];
  for (const [zone, author, domain, policy] of table) {
    const found = await check(zone, { author });
    assertEquals(
      [found.result, found.domain, found.policy],
      [policy === null ? "none" : "fail", domain, policy],
      author,
    );
  }
});

Deno.test("identifiers in alignment (RFC 9989 4.4, B.1, B.4)", async () => {
  const relaxed = { "_dmarc.example.com": record("p=reject"), "_dmarc.signing.example.com": record("p=none") };
  const strict = { "_dmarc.example.com": record("p=reject; adkim=s; aspf=s") };
  const bank = { "_dmarc.bank.example": record("psd=y"), "_dmarc.giant.bank.example": record("p=reject") };
  const deep = "a.b.c.d.e.f.g.h.i.j.k.example.com";
  // author, domain that SPF passed for, domains of signatures; what aligns of them
  const table: readonly [MemoryZone, string, string | null, readonly string[], boolean, readonly string[]][] = [
    [relaxed, "example.com", "example.com", [], true, []],
    [relaxed, "example.com", "child.example.com", [], true, []],
    [relaxed, "child.example.com", "example.net", ["example.net"], false, []],
    [relaxed, "example.com", null, ["example.com"], false, ["example.com"]],
    [relaxed, "child.example.com", null, ["example.com"], false, ["example.com"]],
    [relaxed, "example.com", "example.com", ["signing.example.com"], true, ["signing.example.com"]],
    [relaxed, deep, "example.com", ["signing.example.com"], true, ["signing.example.com"]],
    [relaxed, "example.com", null, ["com"], false, []], // RFC 9989 4.4.1: no record, no organization
    [relaxed, "example.com", null, ["notexample.com"], false, []],
    [strict, "example.com", "child.example.com", ["child.example.com", "example.com"], false, ["example.com"]],
    [strict, "child.example.com", "example.com", ["example.com"], false, []],
    [bank, "giant.bank.example", "mail.giant.bank.example", ["mail.mega.bank.example"], true, []],
  ];
  for (const [zone, author, spf, dkim, aligned, signatures] of table) {
    const found = await check(zone, { author, spf, dkim });
    assertEquals([found.spf, found.dkim], [aligned, signatures], `${author} ${spf} ${dkim}`);
    assertEquals(found.result, aligned || signatures.length > 0 ? "pass" : "fail");
  }
});

Deno.test("one that aligns is enough, and the same domain costs one question", async () => {
  const zone = { "_dmarc.example.com": record("p=reject"), "_dmarc.down.example.com": "servfail" } as const;
  const found = await check(zone, {
    author: "example.com",
    dkim: ["down.example.com", "example.com"],
    spf: "example.com",
  });
  assertEquals([found.result, found.queries[0]], ["pass", "TXT _dmarc.example.com"]);
  const cheap = await check(zone, { author: "example.com", dkim: ["stranger.net"], spf: "example.com" });
  assertEquals([cheap.result, cheap.queries], ["pass", ["TXT _dmarc.example.com"]]);
});

Deno.test("case 59: a failure of name service makes neither pass nor fail", async () => {
  const policy = { "_dmarc.example.com": record("p=reject; np=none; sp=reject") };
  const table: readonly [MemoryZone, Partial<Authenticated> & { author: string }][] = [
    [{ "_dmarc.example.com": "servfail" }, { author: "example.com", spf: "example.com" }],
    [{ "_dmarc.com": "timeout" }, { author: "example.com" }], // on the way up
    [{ ...policy, "_dmarc.a.example.com": "servfail" }, { author: "example.com", dkim: ["a.example.com"] }],
    [{ ...policy, "a.example.com": "timeout" }, { author: "a.example.com" }], // whether it exists is the question
    [policy, { author: "example.com", undecided: ["example.com"] }],
    [policy, { author: "example.com", undecided: ["a.example.com"] }],
  ];
  for (const [zone, who] of table) {
    const { result, policy, problem } = await check(zone, who);
    assertEquals([result, policy], ["temperror", null], JSON.stringify(who));
    assert(problem !== null);
  }
  // what could not have aligned decides nothing
  assertEquals((await check(policy, { author: "example.com", undecided: ["example.net"] })).result, "fail");
});

Deno.test("a record without a policy that asks for no reports is an error that nobody is refused for", async () => {
  assertEquals(
    (await check({ "_dmarc.example.com": record("p=what") }, { author: "example.com" })).result,
    "permerror",
  );
});

Deno.test("a thousand signatures of strangers cost no question", async () => {
  const dkim = Array.from({ length: 1000 }, (_, at) => `s${at}.example.net`);
  const { result, queries } = await check({ "_dmarc.example.com": record("p=reject") }, {
    author: "example.com",
    dkim,
  });
  assertEquals([result, queries], ["fail", ["TXT _dmarc.example.com"]]);
  const near = Array.from({ length: 1000 }, (_, at) => `s${at}.example.com`);
  const own = await check({ "_dmarc.example.com": record("p=reject; adkim=s") }, {
    author: "example.com",
    dkim: [...near, "example.com"],
  });
  assertEquals([own.result, own.dkim], ["pass", ["example.com"]]); // the author's own is not pushed out
});
