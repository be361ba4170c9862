/** Who is behind an address of ours: the plugin in its pipeline. */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatAddress } from "../../../../../core/model/address.ts";
import { on, OptionsError } from "../../../../../core/pipeline/mod.ts";
import { simulate, type Simulated } from "../../../../../core/pipeline/testing/simulation.ts";
import { MAILBOX, type Mailbox, recipients } from "../../../../../plugins/accounts/recipients/mod.ts";

type Options = NonNullable<Parameters<typeof recipients>[0]>;
const HOST = {
  name: "mx.example.org",
  domains: ["Example.org", "example.net", "shop.example", "*.lists.example.org"],
  postmaster: { local: "ops", domain: "example.org" },
};

/** Final addresses with their places, or the refusal. */
async function ask(options: Options, to: string, facts: Simulated = {}): Promise<string> {
  const result = await simulate([recipients(options)], { host: HOST, to, ...facts });
  const reply = result.replies.find(({ phase }) => phase === "rcpt")!.reply;
  if (reply.verdict !== "accept") return `${reply.code} ${reply.status}`;
  return result.recipients.map(({ address, route }) =>
    `${formatAddress(address)} ${
      route?.to === "local" ? route.plugin : `> ${route?.to === "remote" && route.via || "MX"}`
    }`
  ).sort().join(", ");
}

async function table(options: Options, rows: readonly (readonly [to: string, answer: string])[]): Promise<void> {
  for (const [to, answer] of rows) assertEquals(await ask(options, to), answer, to);
}

Deno.test("case 25: who has no account is refused at RCPT with 550 5.1.1", async () => {
  await table({ accounts: ["alice", "bob@example.net"] }, [
    ["alice@example.org", "alice@example.org maildir"],
    ["bob@example.net", "bob@example.net maildir"],
    ["bob@example.org", "550 5.1.1"],
    ["nobody@example.org", "550 5.1.1"],
    ['""@example.org', "550 5.1.1"],
    ["alice@foreign.example", "550 5.7.1"],
  ]);
  await table({}, [["alice@example.org", "550 5.1.1"]]);
});

Deno.test("an account is one mailbox with one address, however it is written", async () => {
  await table({ accounts: ["alice", "First.Last", '"a b"'] }, [
    ["ALICE@example.org", "alice@example.org maildir"],
    ["alice@example.net", "alice@example.org maildir"],
    ["Alice+News@a.lists.example.org", "alice@example.org maildir"],
    ["first.LAST@example.org", "first.last@example.org maildir"],
    ['"alice"@example.org', "alice@example.org maildir"],
    ['"A B"@example.org', '"a b"@example.org maildir'],
  ]);
  await table({ accounts: ["alice"], home: "example.net" }, [["alice@example.org", "alice@example.net maildir"]]);
  const wild = { ...HOST, domains: ["*"] };
  assertEquals(await ask({ accounts: ["alice"] }, "Alice@any.example", { host: wild }), "alice@any.example maildir");
});

Deno.test("case 21: names of ours are compared without case and quotes, and one coding of letters", async () => {
  await table({ accounts: ["jos\u00e9", "x"] }, [
    ["jose\u0301@example.org", "jos\u00e9@example.org maildir"],
    ["JOS\u00c9@example.org", "jos\u00e9@example.org maildir"],
    ['"\\x"@example.org', "x@example.org maildir"],
  ]);
});

Deno.test("names of objects are names like others", async () => {
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "length"]) {
    assertEquals(await ask({ accounts: ["alice"] }, `${name}@example.org`), "550 5.1.1");
    assertEquals(await ask({ accounts: [name] }, `${name}@example.org`), `${name.toLowerCase()}@example.org maildir`);
  }
});

Deno.test("stores: a plugin's name, a route, or the default", async () => {
  const accounts = {
    alice: null,
    bob: "inbox",
    carol: { store: "inbox" },
    dora: { store: { to: "remote" } },
    eve: { store: { to: "local", plugin: "archive" } },
    frank: {},
    gina: { store: { to: "remote", via: "dovecot" } },
  } as const;
  await table({ accounts, deliverTo: "mail" }, [
    ["alice@example.org", "alice@example.org mail"],
    ["bob@example.org", "bob@example.org inbox"],
    ["carol@example.org", "carol@example.org inbox"],
    ["dora@example.org", "dora@example.org > MX"],
    ["eve@example.org", "eve@example.org archive"],
    ["frank@example.org", "frank@example.org mail"],
    ["gina@example.org", "gina@example.org > dovecot"],
  ]);
  await table({ accounts: ["a"], deliverTo: { to: "remote" } }, [
    ["a@example.org", "a@example.org > MX"],
  ]);
  await table({ accounts: ["a"], deliverTo: { to: "remote", via: "spare" } }, [
    ["a@example.org", "a@example.org > spare"],
  ]);
  const { routesTo, routesVia } = recipients({
    accounts: { ...accounts, hugo: { store: { to: "remote", via: "dovecot" } } },
  });
  assertEquals(routesTo, ["maildir", "inbox", "archive"]);
  assertEquals(routesVia, ["dovecot"]);
});

Deno.test("aliases lead to one or many, here and elsewhere", async () => {
  const options = {
    accounts: ["alice", "bob"],
    aliases: {
      info: ["alice", "bob"],
      "Sales@example.net": "alice@example.org",
      team: ["info", "carol@foreign.example"],
      away: "Alice.B@foreign.example",
      twice: ["alice", "Alice@example.net", "info"],
      bob: ["bob", "bob@foreign.example"],
      gone: "nobody@example.org",
      half: ["nobody@example.org", "alice"],
    },
  };
  await table(options, [
    ["info@example.org", "alice@example.org maildir, bob@example.org maildir, bob@foreign.example > MX"],
    ["sales@example.net", "alice@example.org maildir"],
    ["sales@example.org", "550 5.1.1"],
    ["away@example.org", "Alice.B@foreign.example > MX"],
    ["twice@example.org", "alice@example.org maildir, bob@example.org maildir, bob@foreign.example > MX"],
    ["bob@example.org", "bob@example.org maildir, bob@foreign.example > MX"],
    ["BOB+x@example.net", "bob@example.org maildir, bob@foreign.example > MX"],
    ["gone@example.org", "550 5.1.1"],
    ["half@example.org", "alice@example.org maildir"],
  ]);
  assertEquals(
    (await ask(options, "team@example.org")).split(", "),
    ["alice@example.org maildir", "bob@example.org maildir", "bob@foreign.example > MX", "carol@foreign.example > MX"],
  );
});

Deno.test("an alias lets out what it names and nothing else", async () => {
  const options = { aliases: { away: "carol@foreign.example" } };
  await table(options, [["carol@foreign.example", "550 5.7.1"], ["away@foreign.example", "550 5.7.1"]]);
  // Another plugin's expansion of a name of ours, or of a foreign one, is not our word.
  for (const to of ["away@example.org", "x@foreign.example"]) {
    const other = on("rcpt", (ctx, next) => {
      if (ctx.recipient.origin !== null) return next();
      ctx.expand([{ local: "evil", domain: "foreign.example" }]);
      return next();
    });
    const { recipients: kept } = await simulate([other, recipients(options)], { host: HOST, to });
    assertEquals(kept, [], to);
  }
});

Deno.test("alias loops end", async () => {
  const aliases = { a: "b", b: "c", c: "a", self: "self", x: ["y", "alice"], y: ["x"] };
  await table({ accounts: ["alice"], aliases }, [
    ["a@example.org", "550 5.4.6"],
    ["self@example.org", "550 5.1.1"],
    ["x@example.org", "alice@example.org maildir"],
  ]);
});

Deno.test("a catch-all takes what nobody has, in its domain only", async () => {
  const options = {
    accounts: ["alice"],
    aliases: { "@shop.example": "@example.org" },
    catchAll: { "example.net": ["alice", "copy@foreign.example"] },
  };
  await table(options, [
    ["anything@example.net", "alice@example.org maildir, copy@foreign.example > MX"],
    ["alice@example.net", "alice@example.org maildir"],
    ["anything@example.org", "550 5.1.1"],
    ["alice@shop.example", "alice@example.org maildir"],
    ["nobody@shop.example", "550 5.1.1"],
  ]);
  await table({ aliases: { "@example.org": "@foreign.example" } }, [
    ["Some.One@example.org", "Some.One@foreign.example > MX"],
    ["u%evil.example@example.org", "u%evil.example@foreign.example > MX"],
    ['"u@evil.example"@example.org', '"u@evil.example"@foreign.example > MX'],
  ]);
  await table({ aliases: { "@example.org": "nobody@example.org" } }, [["x@example.org", "550 5.1.1"]]);
  await table({ aliases: { "@example.org": "@example.org" } }, [["x@example.org", "550 5.1.1"]]);
});

Deno.test("a virtual domain has its own names and no others", async () => {
  const options = {
    accounts: ["alice", "carol@shop.example"],
    aliases: { info: "alice", "boss@shop.example": "alice@example.org" },
    virtual: {
      "Shop.example": {
        accounts: { bob: "inbox", "dora@shop.example": null },
        aliases: { info: ["bob", "dora"] },
        catchAll: "bob",
      },
      "example.net": { accounts: ["alice"] },
    },
  };
  await table(options, [
    ["bob@shop.example", "bob@shop.example inbox"],
    ["dora+x@shop.example", "dora@shop.example maildir"],
    ["carol@shop.example", "carol@shop.example maildir"],
    ["boss@shop.example", "alice@example.org maildir"],
    ["info@shop.example", "bob@shop.example inbox, dora@shop.example maildir"],
    ["alice@shop.example", "bob@shop.example inbox"],
    ["alice@example.net", "alice@example.net maildir"],
    ["info@example.net", "550 5.1.1"],
    ["bob@example.org", "550 5.1.1"],
    ["info@example.org", "alice@example.org maildir"],
  ]);
});

Deno.test("details behind a separator: the longest name wins, and the whole name before any", async () => {
  await table({ accounts: ["mary", "mary-ann", "a+b", "alice"], plusAddressing: "+-" }, [
    ["mary-news@example.org", "mary@example.org maildir"],
    ["mary-ann@example.org", "mary-ann@example.org maildir"],
    ["mary-ann-news+x@example.org", "mary-ann@example.org maildir"],
    ["a+b@example.org", "a+b@example.org maildir"],
    ["alice+@example.org", "alice@example.org maildir"],
    ["+alice@example.org", "550 5.1.1"],
    ["a+c@example.org", "550 5.1.1"],
    [`${"+".repeat(64)}@example.org`, "550 5.1.1"],
  ]);
  await table({ accounts: ["alice"], plusAddressing: false }, [["alice+x@example.org", "550 5.1.1"]]);
});

Deno.test("MAILBOX says which mailbox, and what stood behind the separator", async () => {
  const seen: (Mailbox | undefined)[] = [];
  const listens = on("rcpt", (ctx, next) => (seen.push(ctx.recipient.get(MAILBOX)), next()));
  const plugins = [recipients({ accounts: ["alice"], aliases: { info: "alice" } }), listens];
  const to = ["Alice+News@example.net", "alice@example.org", "info+x@example.org"];
  const result = await simulate(plugins, { host: HOST, to });
  assertEquals(seen, [
    { name: "alice@example.org", detail: "News" },
    { name: "alice@example.org", detail: "" },
    { name: "alice@example.org", detail: "" },
  ]);
  assertEquals(formatAddress(result.recipients[0]!.original), "Alice+News@example.net");
});

Deno.test("case 18: postmaster of each domain of ours, and without one, is the operator", async () => {
  const accounts = ["ops"];
  await table({ accounts }, [
    ["postmaster", "ops@example.org maildir"],
    ["Postmaster@example.org", "ops@example.org maildir"],
    ["POSTMASTER@a.lists.example.org", "ops@example.org maildir"],
    ["postmaster@foreign.example", "550 5.7.1"],
  ]);
  await table({ accounts: ["ops", "alice"], aliases: { "postmaster@example.net": "alice" } }, [
    ["postmaster@example.net", "alice@example.org maildir"],
    ["postmaster@example.org", "ops@example.org maildir"],
    ["postmaster", "ops@example.org maildir"],
  ]);
  await table({ accounts, virtual: { "shop.example": { catchAll: "ops@example.org" } } }, [
    ["postmaster@shop.example", "ops@example.org maildir"],
  ]);
  const self = { ...HOST, postmaster: { local: "Postmaster", domain: "example.org" } };
  for (const to of ["postmaster", "postmaster@example.org", "POSTMASTER@example.net"]) {
    assertEquals(await ask({ accounts: ["postmaster"] }, to, { host: self }), "postmaster@example.org maildir");
    assertEquals(await ask({ accounts: ["alice"] }, to, { host: self }), "550 5.1.1");
  }
  const away = { ...HOST, postmaster: { local: "Ops", domain: "foreign.example" } };
  assertEquals(await ask({}, "postmaster", { host: away }), "Ops@foreign.example > MX");
  const none = { ...HOST, postmaster: null };
  assertEquals(await ask({ accounts: ["postmaster"] }, "postmaster", { host: none }), "postmaster@example.org maildir");
  assertEquals(
    await ask({ aliases: { postmaster: "root@a.example" } }, "postmaster", { host: none }),
    "root@a.example > MX",
  );
  assertEquals(await ask({ accounts: ["alice"] }, "postmaster", { host: none }), "550 5.1.1");
});

Deno.test("unknown: next leaves a name to the plugins after it", async () => {
  const rest = recipients({ accounts: ["bob"], deliverTo: "inbox" });
  const plugins = [recipients({ accounts: ["alice"], aliases: { info: ["alice", "bob"] }, unknown: "next" }), rest];
  const all = await simulate(plugins, {
    host: HOST,
    to: ["info@example.org", "Bob+x@example.org", "carol@example.org"],
  });
  const kept = all.recipients.map(({ address, route }) => [formatAddress(address), route]);
  assertEquals(kept, [
    ["alice@example.org", { to: "local", plugin: "maildir" }],
    ["bob@example.org", { to: "local", plugin: "inbox" }],
  ]);
  assertEquals(all.replies.filter(({ phase }) => phase === "rcpt").map(({ reply }) => reply.code), [250, 250, 550]);
});

Deno.test("options: every fault at once, with its path", () => {
  const faults = (value: unknown) => {
    const error = assertThrows(() => recipients.parse(value, ["plugins", 2, "recipients"]), OptionsError);
    return error.issues.map(({ path, message }) => `${path.slice(3).join(".")}: ${message}`);
  };
  const value = {
    accounts: ["alice", "Alice", "a b", "x@example.org"],
    aliases: { info: "alcie", "a@@b": "alice", more: [], "@shop.example": "alice", ok: ["alice+x", "postmaster"] },
    catchAll: { "shop.example": "alice", "a b": "alice" },
    virtual: { "shop.example": { accounts: ["u@example.org"], aliases: { v: "w", "@example.net": "u" } } },
  };
  assertEquals(faults(value), [
    'accounts.1: the account "Alice" is there twice',
    'accounts.2: "a b" is no address and no local part',
    'aliases.a@@b: "a@@b" is no address and no local part',
    "aliases.more: an alias needs a target",
    "catchAll.shop.example: shop.example has two catch-alls",
    'catchAll.a b: "a b" is no domain',
    'virtual.shop.example.accounts.0: "u@example.org" stands in the table of shop.example',
    'virtual.shop.example.aliases.@example.net: "@example.net" stands in the table of shop.example',
    // With a catch-all in every place that may be meant, "alcie" could be anybody.
  ]);
  assertEquals(faults({ accounts: ["alice"], aliases: { info: "alcie" } }), [
    'aliases.info: "alcie" is no account or alias here; a foreign address needs its domain',
  ]);
  assertEquals(faults({ home: "shop.example", virtual: { "shop.example": {} } }), [
    'home: shop.example has a table of its own under "virtual"',
  ]);
  for (
    const bad of [{ account: [] }, { accounts: "alice" }, { plusAddressing: "a" }, { deliverTo: {} }, { home: "a b" }]
  ) {
    assertEquals(faults(bad).length, 1, JSON.stringify(bad));
  }
  assertEquals(faults({ accounts: Array(100).fill("a b") }).length, 20);
});

Deno.test("property: nobody is found who is in no table, and everybody who is", async () => {
  const name = fc.stringMatching(/^[a-zA-Z0-9_.]{1,12}$/).filter((text) => /^[^.]+(\.[^.]+)*$/.test(text));
  const names = fc.uniqueArray(name, { maxLength: 8, selector: (text) => text.toLowerCase() });
  await fc.assert(fc.asyncProperty(names, name, async (accounts, asked) => {
    if (asked.toLowerCase() === "postmaster") return;
    const known = accounts.some((each) => each.toLowerCase() === asked.toLowerCase());
    const answer = known ? `${asked.toLowerCase()}@example.org maildir` : "550 5.1.1";
    assertEquals(await ask({ accounts }, `${asked}@example.org`), answer);
    assertEquals(await ask({ accounts }, `${asked}+detail@example.net`), answer);
  }));
});
