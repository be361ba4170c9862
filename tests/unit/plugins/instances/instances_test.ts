/** SEMANTICS 24: of every plugin that remembers something, two instances over one store count together. */
import { assert, assertEquals } from "@std/assert";
import {
  accept,
  type Counters,
  formatAddress,
  on,
  parseAddress,
  type Plugin,
  reject,
  type Simulated,
} from "../../../../core/pipeline/mod.ts";
import { hashPassword } from "../../../../core/auth/passwords.ts";
import { account_guard } from "../../../../plugins/access/account_guard/mod.ts";
import { ban } from "../../../../plugins/access/ban/mod.ts";
import { chaos } from "../../../../plugins/access/chaos/mod.ts";
import { early_talker } from "../../../../plugins/access/early_talker/mod.ts";
import { greylist } from "../../../../plugins/access/greylist/mod.ts";
import { rate_limit } from "../../../../plugins/access/rate_limit/mod.ts";
import { SHARE } from "../../../../plugins/access/reputation/verdict.ts";
import { reputation } from "../../../../plugins/access/reputation/mod.ts";
import { tarpit } from "../../../../plugins/access/tarpit/mod.ts";
import { verify_recipient } from "../../../../plugins/access/verify_recipient/mod.ts";
import { accounts } from "../../../../plugins/auth/accounts/mod.ts";
import { KeptAccounts } from "../../../../plugins/auth/accounts/kept.ts";
import { readLine } from "../../../../plugins/auth/accounts/line.ts";
import { feedback } from "../../../../plugins/content/feedback/mod.ts";
import { Sent } from "../../../../plugins/content/feedback/sent.ts";
import { cameBefore } from "../../../../plugins/content/rspamd/greylist.ts";
import { spamScore } from "../../../../plugins/content/spam_score/mod.ts";
import { count, type Counted, countsOf } from "../../../../plugins/identity/dmarc/counts.ts";
import { parseRecord } from "../../../../plugins/identity/dmarc/record.ts";
import { moduleOf } from "../../../../plugins/modules.ts";
import { PLUGINS } from "../../../../plugins/mod.ts";
import { srs } from "../../../../plugins/outbound/srs/mod.ts";
import { filesBelow } from "../../../support/files_below.ts";
import { Threads } from "../access/threads.ts";
import { ALONE } from "./alone.ts";
import { Pair } from "./pair.ts";

const ROOT = new URL("../../../../", import.meta.url);
/** Of the store of a context or a house. */
const USES = /\.store\b|[{,] *store *[,}]/;
const IP = "192.0.2.1";
const LETTER = "From: ann@a.example\nTo: b@example.org\nSubject: cheap watches\n\nBuy cheap watches now and here.\n";
const anybody = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()));
const nobody = on("rcpt", () => reject("5.1.1", "No such user"));

const PROOFS: Readonly<Record<string, () => Promise<void>>> = {
  async accounts() {
    const pair = new Pair(() => accounts({ store: true })), { store } = pair.houseOf(pair.one);
    const kept = new KeptAccounts(store, { caseSensitive: false });
    const secret = await hashPassword("secret", { random: (length) => new Uint8Array(length) });
    const login = async (plugin: Plugin) =>
      (await pair.run(plugin, "auth", {
        login: { user: "ann", password: "secret", verify: (text) => text === secret },
      }))
        .reply.code;
    assertEquals([await login(pair.one), await login(pair.two)], [535, 535]);
    await kept.set("ann", readLine(`ann ${secret}`));
    pair.now += 2001; // how long each may not have looked
    assertEquals([await login(pair.one), await login(pair.two)], [250, 250]);
    await kept.set("ann", null);
    pair.now += 2001;
    assertEquals([await login(pair.one), await login(pair.two)], [535, 535]);
  },
  async rate_limit() {
    const pair = new Pair(() => rate_limit({ messagesPerIp: "3/1m" }));
    assertEquals(await pair.together(6, "mail", { ip: IP }), [250, 250, 250, 450, 450, 450]);
  },
  async account_guard() {
    const pair = new Pair(() => account_guard({ messages: ["3/1h"], suspend: { recipients: "4/1h" } }));
    const facts: Simulated = { identity: "ann", role: "submission", ip: IP };
    assertEquals(await pair.together(5, "mail", facts), [250, 250, 250, 450, 450]);
    assertEquals(await pair.together(6, "rcpt", facts, [anybody]), [250, 250, 250, 250, 550, 550]);
    assertEquals((await pair.run(pair.two, "data", facts)).reply.code, 550, "suspended by one, for both");
  },
  async greylist() {
    const pair = new Pair(() => greylist({ delay: "5m", clientAfter: 2 })), facts: Simulated = { ip: IP, to: "b@c.d" };
    assertEquals((await pair.run(pair.one, "rcpt", facts, [anybody])).reply.code, 451);
    assertEquals((await pair.run(pair.two, "rcpt", facts, [anybody])).reply.code, 451);
    pair.now += 301_000;
    assertEquals(await pair.together(4, "rcpt", facts, [anybody]), [250, 250, 250, 250]);
    const other = await pair.run(pair.one, "rcpt", { ...facts, from: "z@a.example" }, [anybody]);
    assertEquals(other.reply.code, 451, "one triplet that comes in four sessions at once has passed once");
  },
  async early_talker() {
    const pair = new Pair(() => early_talker()),
      waits = () => {
        const pause = (milliseconds: number) => (pair.now += milliseconds, Promise.resolve(false));
        return { ip: IP, pause };
      };
    assertEquals((await pair.run(pair.one, "connect", waits())).pauses, [6000]);
    assertEquals((await pair.run(pair.two, "connect", waits())).pauses, []);
  },
  async tarpit() {
    const pair = new Pair(() => tarpit({ refused: 4 }));
    await pair.together(4, "rcpt", { ip: IP }, [nobody]);
    assertEquals((await pair.run(pair.one, "mail", { ip: IP })).pauses, [1000]);
    assertEquals((await pair.run(pair.two, "mail", { ip: IP })).pauses, [1000]);
  },
  async chaos() {
    const pair = new Pair(() => chaos({ rules: [{ answer: "451 4.7.1 Later", phase: "mail", times: 2 }] }));
    assertEquals(await pair.together(5, "mail", { ip: IP }), [250, 250, 250, 451, 451]);
  },
  async ban() {
    const offences = { unknownRecipient: 1 };
    const threads = new Threads([ban({ limit: 4, offences }), ban({ limit: 4, offences })]);
    const refuse = (session: string) =>
      threads.refused(session, IP, { command: "RCPT", reply: reject("5.1.1", "No such user"), plugin: "recipients" });
    const one = await threads.connect(IP), two = await threads.connect(IP);
    await Promise.all([refuse(one.session), refuse(two.session), refuse(one.session)]);
    const clean = [1, 2, 3, 4, 5, 6].map((n) =>
      threads.accepted(n % 2 ? one.session : two.session, IP, { transaction: `t${n}` })
    );
    await Promise.all(clean); // six take off what three have brought, and no more
    for (const { session } of [one, two]) await Promise.all([refuse(session), refuse(session)]);
    assertEquals([(await threads.connect(IP)).reply.code, (await threads.connect(IP)).reply.code], [421, 421]);
    assertEquals(threads.alerts.length, 1);
  },
  async reputation() {
    const make = () => reputation({ worth: { unknownRecipient: SHARE } }), threads = new Threads([make(), make()]);
    const [one, two] = [await threads.connect("198.51.100.1"), await threads.connect("198.51.100.1")];
    const deeds = [one, two, one, two, one, two].map(({ session }) =>
      threads.refused(session, "198.51.100.1", { command: "RCPT", reply: reject("5.1.1", "No"), plugin: "recipients" })
    );
    await Promise.all(deeds);
    const sums = await threads.counters.list({ prefix: "plugin:reputation:bad ", limit: 10 });
    const [ip, net] = ["ip", "net"].map((kind) => Number(sums.find(({ name }) => name.includes(` ${kind} `))!.value));
    assert(Math.abs(ip! / net! - 6) < 1e-6, `a client's share of its network counts once: ${ip} and ${net}`);
  },
  async verify_recipient() {
    const pair = new Pair(() => verify_recipient({ domains: ["example.org"], questions: "3/1m" }));
    pair.says = () => accept();
    const gateway = on("rcpt", (ctx, next) => (ctx.route({ to: "remote", via: "exchange" }), next()));
    const ask = (plugin: Plugin, local: string) => pair.run(plugin, "rcpt", { to: `${local}@example.org` }, [gateway]);
    await ask(pair.one, "ann");
    await ask(pair.two, "ann");
    assertEquals(pair.asked, 1, "what one has heard the other knows");
    await Promise.all(["b", "c", "d", "e"].map((local, n) => ask(n % 2 ? pair.two : pair.one, local)));
    assertEquals(pair.asked, 3, "a next hop is asked three times in a minute");
  },
  async feedback() {
    const pair = new Pair(() => feedback()), sent = new Sent(60), { store } = pair.houseOf(pair.one);
    const path = parseAddress("prvs=0123456789=news+bob=far.example@example.org")!,
      both = Promise.withResolvers<void>();
    let looks = 0;
    const slow: Counters = { // neither writes before both have looked
      get: async (name) => {
        const value = await store.get(name);
        if (++looks === 2) both.resolve();
        await both.promise;
        return value;
      },
      put: (...args) => store.put(...args),
      add: (...args) => store.add(...args),
      list: (query) => store.list(query),
    };
    const remember = (to: string) => sent.remember(slow, `${to}@id`, [{ recipient: parseAddress(to)!, path }]);
    await Promise.all([remember("ann@far.example"), remember("bob@far.example")]);
    assertEquals(await sent.recipientOf(store, path), null, "two that got the same path at once are two");
    assertEquals(formatAddress((await sent.soleRecipient(store, "ann@far.example@id"))!), "ann@far.example");
  },
  async rspamd() {
    const pair = new Pair(() => anybody), came: boolean[] = [];
    const asks = on("data", async (ctx, next) => {
      came.push(await cameBefore(ctx, 60_000));
      return next();
    }, { name: "rspamd" });
    await pair.run(asks, "data");
    pair.now += 60_000;
    await pair.run({ ...asks }, "data");
    assertEquals(came, [false, true]);
  },
  async spam_score() {
    const pair = new Pair(() => spamScore()), content = new TextEncoder().encode(LETTER.replaceAll("\n", "\r\n"));
    const teach = (plugin: Plugin, as: "spam" | "ham") => plugin.learn!(content, as, pair.houseOf(plugin));
    const knows = (plugin: Plugin) => plugin.learn!(new Uint8Array(), "ham", pair.houseOf(plugin));
    await Promise.all([teach(pair.one, "spam"), teach(pair.two, "spam")]);
    pair.now += 11_000;
    for (const each of [pair.one, pair.two]) {
      assertEquals((await knows(each)).slice(0, 22), "1 spam and 0 ham known", each.name);
    }
    await Promise.all([teach(pair.one, "ham"), teach(pair.two, "spam")]); // of two opinions the last one counts, for both
    pair.now += 11_000;
    assertEquals(await knows(pair.one), await knows(pair.two));
  },
  async dmarc() {
    const pair = new Pair(() => anybody), { store } = pair.houseOf({ name: "dmarc", handlers: {} });
    const record = parseRecord("v=DMARC1; p=reject; rua=mailto:d@a.example");
    const message: Counted = {
      ip: IP,
      disposition: "pass",
      dkim: true,
      spf: true,
      override: null,
      headerFrom: "a.example",
      envelopeFrom: "a.example",
      signatures: [],
      sender: null,
    };
    const published = { domain: "a.example", record } as Parameters<typeof count>[2]["published"];
    await Promise.all(Array.from({ length: 20 }, () => count(store, message, { published, now: pair.now })));
    const counts = await countsOf(store, { day: "2026-01-01", domain: "a.example" });
    assertEquals(counts!.rows.map((row) => row.count), [20]);
  },
  async srs() {
    const pair = new Pair(() => srs({ domain: "example.org", secrets: ["a secret of some length"] }));
    const from = `${"x".repeat(60)}@${"y".repeat(50)}.example`; // too long for a path: it is kept
    const to = { address: "c@far.example", original: "away@example.org" };
    const { departure } = await pair.run(pair.one, "deliver", { from, to });
    const { recipients } = await pair.run(pair.two, "rcpt", { from: null, to: departure!.envelopes[0]!.from }, [
      anybody,
    ]);
    assertEquals(recipients.map(({ address }) => formatAddress(address)), [from]);
  },
};

Deno.test("SEMANTICS 24: every plugin counts together with its other instances, or says why it need not", () => {
  const names = Object.keys(PLUGINS).sort();
  assertEquals([...Object.keys(PROOFS), ...Object.keys(ALONE)].sort(), names);
  for (const name of names) {
    const [, folder] = /(plugins\/[^/]+\/[^/]+)\/mod\.ts$/.exec(moduleOf(name)!.url)!;
    const uses = filesBelow(folder!, /\.ts$/).some((path) =>
      USES.test(code(Deno.readTextFileSync(new URL(path, ROOT))))
    );
    assertEquals(uses, Object.hasOwn(PROOFS, name), `${name} ${uses ? "uses" : "does not use"} the store`);
  }
});
for (const [name, proof] of Object.entries(PROOFS)) {
  Deno.test(`SEMANTICS 24: two instances of ${name} count together`, proof);
}

/** Without comments and texts. */
function code(text: string): string {
  return text.replaceAll(/\/\*[^*]*(?:\*(?!\/)[^*]*)*\*\/|\/\/.*|"[^"\n]*"/g, "");
}
