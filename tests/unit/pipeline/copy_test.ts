/** Copies: one recipient more for each, durable with the message, told to nobody, in nobody's reply. */
import { assertEquals } from "@std/assert";
import {
  accept,
  defer,
  formatAddress,
  on,
  parseAddress,
  type Plugin,
  reject,
  simulate,
  type SimulatedResult,
  withPolicy,
} from "postern";

const copyTo = (...addresses: string[]): Plugin =>
  on("data", (ctx, next) => {
    for (const each of addresses) ctx.copyTo(parseAddress(each)!);
    return next();
  }, { name: "copies" });
/** Knows example.org: "no-" is nobody, "down-" cannot be told, "many" is two. */
const names = on("rcpt", (ctx, next) => {
  const { address: { local, domain } } = ctx.recipient;
  if (local.startsWith("no-")) return reject("5.1.1", "No such user here");
  if (local.startsWith("down-")) return defer("4.3.0", "Directory down");
  if (local === "many") ctx.expand(["x", "y"].map((name) => ({ local: name, domain })));
  else if (domain === "example.org") ctx.route({ to: "local", plugin: "box" });
  return next();
}, { name: "names" });
const who = ({ recipients }: SimulatedResult): string[] =>
  recipients.map(({ address, copy }) => `${formatAddress(address)}${copy ? " copy" : ""}`);
const kept = ({ rows }: SimulatedResult): string[] =>
  rows.map(({ recipient, state }) => `${formatAddress(recipient.address)} ${state}`);

Deno.test("a copy is one recipient more, whom nobody hears of (RFC 3461 4.1)", async () => {
  const rows: [name: string, copies: string[], recipients: string[]][] = [
    ["ours", ["a@example.org"], ["b@example.org", "a@example.org copy"]],
    ["elsewhere", ["a@archive.example"], ["b@example.org", "a@archive.example copy"]],
    ["an alias", ["many@example.org"], ["b@example.org", "x@example.org copy", "y@example.org copy"]],
    ["named twice", ["a@d.example", "A@d.example"], ["b@example.org", "a@d.example copy"]],
    ["a recipient already", ["B@example.org"], ["b@example.org"]],
  ];
  for (const [name, copies, recipients] of rows) {
    const result = await simulate([copyTo(...copies), names], { to: "b@example.org" });
    assertEquals([result.reply.code, who(result), result.rows.length], [250, recipients, recipients.length], name);
    for (const { copy, parameters, route } of result.recipients) {
      assertEquals([parameters.notify, route !== null], [copy ? ["NEVER"] : null, true], name);
    }
  }
});

Deno.test("a copy that nobody would take defers the message, and the sender is not told why", async () => {
  for (const address of ["no-a@example.org", "down-a@example.org"]) {
    const result = await simulate([copyTo(address), names], { to: "b@example.org" });
    assertEquals([String(result.reply), kept(result)], ["451 4.3.0 Local error in processing", []]);
    const { plugin, phase, reason } = result.decisions.find(({ verdict }) => verdict === "error")!;
    assertEquals([plugin, phase, reason.startsWith(`no copy to ${address}: `)], ["copies", "data", true]);
  }
});

Deno.test("what is refused is copied to nobody", async () => {
  const no = on("data", () => reject("5.7.1", "No"));
  const refused = on("data", (ctx, next) => (ctx.refuse(ctx.recipients[0]!, reject("5.7.1", "Not here")), next()));
  for (const judge of [no, refused]) {
    const result = await simulate([copyTo("a@example.org"), judge, names], { to: "b@example.org" });
    assertEquals([result.reply.code, kept(result), who(result)], [550, [], ["b@example.org"]]);
  }
});

Deno.test("no reply depends on a copy, and no copy on another recipient's refusal", async () => {
  const full = (local: string, verdict: "defer" | "reject" = "defer") =>
    on("queue", (ctx, next) => {
      const found = ctx.recipients.find(({ address }) => address.local === local)!;
      ctx.refuse(found, verdict === "defer" ? defer("4.2.2", "Full") : reject("5.2.2", "Full"));
      return next();
    });
  const site = [copyTo("a@example.org"), names];
  const to = ["b@example.org", "c@example.org"];
  const rows: [name: string, last: Plugin[], codes: { smtp: number; lmtp: number[] }, rows: string[]][] = [
    ["copy deferred", [full("a")], { smtp: 250, lmtp: [250, 250] }, ["b ready", "c ready", "a deferred"]],
    ["copy refused", [full("a", "reject")], { smtp: 250, lmtp: [250, 250] }, ["b ready", "c ready", "a held"]],
    ["one refused", [full("b")], { smtp: 250, lmtp: [451, 250] }, ["c ready", "a ready"]],
    ["all refused", [full("b"), full("c")], { smtp: 451, lmtp: [451, 451] }, []],
  ];
  for (const [name, last, codes, expected] of rows) {
    const lmtp = await simulate([...site, ...last], { to, role: "lmtp" });
    assertEquals(lmtp.recipientReplies.map(({ code }) => code), codes.lmtp, `${name}, LMTP`);
    assertEquals(kept(lmtp), expected.map((row) => row.replace(" ", "@example.org ")), `${name}, LMTP`);
    const smtp = await simulate([...site, ...last], { to, identity: "amy" });
    assertEquals(smtp.reply.code, codes.smtp, name);
    assertEquals(smtp.rows.filter(({ route }) => route !== null), [], `${name}: no report to a sender`);
    const deferred = name === "one refused" ? ["b@example.org deferred"] : [];
    assertEquals(kept(smtp), [...deferred, ...expected.map((row) => row.replace(" ", "@example.org "))], name);
  }
});

Deno.test("a deposit of a copy alone accepts nothing", async () => {
  const inbox = on("queue", (ctx, next) => {
    for (const each of ctx.recipients) {
      if (each.copy) ctx.deposit(each, "archive");
      else ctx.refuse(each, defer("4.2.2", "Full"));
    }
    return next();
  });
  let commits = 0;
  const commit = () => (commits++, Promise.resolve(null));
  const result = await simulate([copyTo("a@example.org"), names, inbox], { to: "b@example.org", commit });
  assertEquals([result.reply.code, commits], [451, 0]);
});

Deno.test("in mode observe nothing is copied, and copyTo() has its place in data", async () => {
  const watched = withPolicy(copyTo("a@example.org"), { mode: "observe" });
  assertEquals(who(await simulate([watched, names], { to: "b@example.org" })), ["b@example.org"]);
  const wrong = on("mail", (ctx) => {
    (ctx as unknown as { copyTo(address: unknown): void }).copyTo({ local: "a", domain: "example.org" });
    return accept();
  });
  assertEquals((await simulate([wrong], { to: "b@example.org" }, { delayRefusals: false })).reply.code, 451);
});
