/** Return paths of the scheme: what is written leads back, for its time, and nothing else does. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { type Address, formatAddress, parseAddress } from "postern";
import { isRewritten, type Memory, Scheme, type SchemeOptions } from "../../../../../plugins/outbound/srs/scheme.ts";

const DAY = 86_400_000, NOW = Date.UTC(2026, 0, 1);
const OPTIONS: SchemeOptions = {
  domain: "ours.example",
  secrets: ["a secret of some length"],
  maxAge: 21 * DAY,
  separator: "=",
};
const scheme = (more: Partial<SchemeOptions> = {}): Scheme => new Scheme({ ...OPTIONS, ...more });
const address = (text: string): Address => parseAddress(text)!;

class Kept extends Map<string, Address> implements Memory {
  recall(key: string): Promise<Address | null> {
    return Promise.resolve(this.get(key) ?? null);
  }
  keep(key: string, sender: Address): Promise<void> {
    this.set(key, sender);
    return Promise.resolve();
  }
}
async function back(path: Address, options: { on?: Scheme; now?: number; kept?: Memory } = {}): Promise<string> {
  const { on = scheme(), now = NOW, kept = new Kept() } = options;
  const found = await on.back(path, now, kept);
  return typeof found === "string" ? found : formatAddress(found);
}

Deno.test("a sender, and one that others have rewritten", async () => {
  const rows: [sender: string, path: RegExp, back: string][] = [
    ["bob@a.example", /^SRS0=[A-Z2-7]{6}=[A-Z2-7]{2}=a\.example=bob@ours\.example$/, "bob@a.example"],
    ["b=c=d@a.example", /^SRS0=.{6}=..=a\.example=b=c=d@ours\.example$/, "b=c=d@a.example"],
    ['"b c"@a.example', /^"SRS0=.{6}=..=a\.example=b c"@ours\.example$/, '"b c"@a.example'],
    ["b@[192.0.2.1]", /^"SRS0=.{6}=..=\[192\.0\.2\.1\]=b"@ours\.example$/, "b@[192.0.2.1]"],
    [
      "SRS0=x=TT=z.example=u@h.example",
      /^SRS1=.{6}=h\.example==x=TT=z\.example=u@ours/,
      "SRS0=x=TT=z.example=u@h.example",
    ],
    [
      "srs0+x=TT=z.example=u@h.example",
      /^SRS1=.{6}=h\.example=\+x=TT=z\.example=u@ours/,
      "SRS0+x=TT=z.example=u@h.example",
    ],
    [
      "SRS1-y=h.example==x=TT=z.example=u@g.example",
      /^SRS1=.{6}=h\.example==x=TT=z/,
      "SRS0=x=TT=z.example=u@h.example",
    ],
  ];
  for (const [sender, pattern, leads] of rows) {
    const path = await scheme().forward(address(sender), NOW, new Kept());
    assertMatch(formatAddress(path), pattern);
    assert(isRewritten(path), sender);
    assertEquals(await back(path), leads);
    const folded = { ...path, local: path.local.toLowerCase() };
    assertEquals((await back(folded)).toLowerCase(), leads.toLowerCase(), "a host on the way has folded its case");
  }
});

Deno.test("every sender leads back, and every path fits into a local part", async () => {
  const local = fc.string({ unit: fc.constantFrom(...'abcXYZ019=+-._ @"\\é'), minLength: 1, maxLength: 60 });
  const domain = fc.constantFrom("a.example", "x".repeat(60) + ".example", "[192.0.2.1]");
  const prefix = fc.constantFrom("", "SRS0=", "SRS1=a=b==", "SRS0=a=b=");
  await fc.assert(fc.asyncProperty(local, domain, prefix, async (local, domain, prefix) => {
    const sender = parseAddress(formatAddress({ local: prefix + local, domain }));
    if (sender === null) return;
    const kept = new Kept(), path = await scheme().forward(sender, NOW, kept);
    assertEquals(parseAddress(formatAddress(path)), path, "it is an address that a server takes");
    const leads = await back(path, { kept });
    if (!/^SRS1=/.test(path.local)) assertEquals(leads, formatAddress(sender));
    else assert(leads === "forged" || leads.replace(/^"/, "").startsWith("SRS0"), leads);
  }));
});

Deno.test("too long for a local part: remembered under the same key each time", async () => {
  const sender = address(`${"x".repeat(60)}@${"y".repeat(60)}.example`), kept = new Kept();
  const path = await scheme().forward(sender, NOW, kept);
  assertMatch(path.local, /^SRS0=[A-Z2-7]{6}=[A-Z2-7]{2}==[A-Z2-7]{16}$/);
  assertEquals(await scheme().forward(sender, NOW, kept), path);
  assertEquals(kept.size, 1);
  assertEquals(await back(path, { kept }), formatAddress(sender));
  assertEquals(await back({ ...path, local: path.local.toLowerCase() }, { kept }), formatAddress(sender));
  assertEquals(await back(path), "expired", "nobody remembers it any more");
});

Deno.test("what was altered, or signed by nobody here, leads nowhere", async () => {
  const path = await scheme().forward(address("bob@a.example"), NOW, new Kept());
  const again = await scheme().forward(address("SRS0=x=TT=z.example=u@h.example"), NOW, new Kept());
  const [, hash, day] = path.local.split("=") as [string, string, string];
  const forgeries = [
    path.local.replace("bob", "eve"),
    path.local.replace("a.example", "b.example"),
    path.local.replace(hash, hash === "AAAAAA" ? "BBBBBB" : "AAAAAA"),
    path.local.replace(`${hash}=`, `${hash.slice(0, 5)}=`),
    path.local.replace(`=${day}=`, day === "AA" ? "=AB=" : "=AA="),
    path.local.replace(`=${day}=`, `=${day}`),
    again.local.replace("h.example", "i.example"),
    again.local.replace("=u", "=v"),
    again.local.replace("SRS1", "SRS0"),
    "SRS0",
    "SRS0=",
    "SRS0====",
    "SRS1===",
    `SRS0=${"=".repeat(60)}`,
    "bob",
  ];
  for (const local of forgeries) assertEquals(await back({ ...path, local }), "forged", local);
});

Deno.test("a path lasts for its time, over the turn of the days' numbers as well", async () => {
  const turn = Math.ceil(NOW / DAY / 1024) * 1024 * DAY;
  for (const start of [NOW, turn - 10 * DAY, turn - DAY]) {
    const path = await scheme().forward(address("bob@a.example"), start, new Kept());
    for (
      const [days, found] of [[-1, "bob@a.example"], [0, "bob@a.example"], [21, "bob@a.example"], [22, "expired"], [
        500,
        "expired",
      ], [-2, "expired"]] as const
    ) {
      assertEquals(await back(path, { now: start + days * DAY }), found, `${days} days`);
    }
  }
});

Deno.test("secrets change: the first one signs, all are good for the way back", async () => {
  const path = await scheme().forward(address("bob@a.example"), NOW, new Kept());
  const later = scheme({ secrets: ["another secret, just as long", ...OPTIONS.secrets] });
  assertEquals(await back(path, { on: later }), "bob@a.example");
  assertNotEquals(await later.forward(address("bob@a.example"), NOW, new Kept()), path);
  assertEquals(await back(path, { on: scheme({ secrets: ["another secret, just as long"] }) }), "forged");
});

Deno.test("separators: the one that was chosen is written, all of them are read", async () => {
  for (const separator of ["=", "-", "+"] as const) {
    const path = await scheme({ separator }).forward(address("bob@a.example"), NOW, new Kept());
    assert(path.local.startsWith(`SRS0${separator}`));
    assertEquals(await back(path), "bob@a.example");
  }
});
