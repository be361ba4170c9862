/**
 * Plugins of an operator that misbehave (case 77): the message is 451 4.3.0 and nothing of it is kept, the session goes
 * on, neighbours notice nothing, and the log names the plugin. What a plugin leaves behind in timers ends nobody.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { addedOnly, mail } from "../support/bytes.ts";
import { postern } from "../support/cli.ts";
import { BINARY } from "../support/program.ts";
import { Server } from "../support/server.ts";
import { queuedAs, SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor, within } from "../support/wait.ts";

/** A plugin that does, in the phase that the sender's address names, what it names: `throw.data@x`. */
const BAD = `
import { accept, reject } from "postern";
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const deeds = {
  throw() { throw new Error("thrown on purpose\\nin two lines"); },
  throw_nothing() { throw undefined; },
  throw_a_proxy() { throw new Proxy({}, { get() { throw new Error("not even readable"); } }); },
  reject: () => Promise.reject(new Error("rejected on purpose")),
  hang: () => new Promise(() => {}),
  rubbish: () => ({ code: 250, status: "2.0.0", text: "let it in", verdict: "accept" }),
  nothing: () => undefined,
  rubbish_later: () => Promise.resolve("250 OK"),
  thenable: () => ({ then(done) { done(accept()); } }),
  next_twice: async (ctx, next) => { await next(); return next(); },
  next_unawaited: (ctx, next) => { next(); next(); return accept(); },
  block(ctx, next) { for (const end = Date.now() + 2000; Date.now() < end;); return next(); },
  no_reply_class() { return reject("4.0.0", "wrong class"); },
  refuse_rubbish(ctx, next) { for (const each of ctx.recipients) ctx.refuse(each, "never"); return next(); },
  // What follows is no fault of the message.
  edit: async (ctx, next) => {
    (await ctx.message.bytes()).fill(0x58);
    for await (const chunk of ctx.message.stream()) chunk.fill(0x58);
    return next();
  },
  late: (ctx, next) => {
    setTimeout(() => { ctx.prependHeader("X-Late", "1"); ctx.hold("late"); }, 150);
    return next();
  },
  timer_throws(ctx, next) { setTimeout(() => { throw new Error("thrown in a timer"); }, 10); return next(); },
  timer_rejects(ctx, next) { setTimeout(async () => { throw new Error("rejected in a timer"); }, 10); return next(); },
  dangling(ctx, next) { Promise.reject(new Error("nobody waits for this")); return next(); },
  interval(ctx, next) {
    let times = 0;
    const timer = setInterval(() => { if (++times === 20) clearInterval(timer); throw new Error("again and again"); }, 5);
    return next();
  },
  settle_twice: async (ctx, next) => {
    for (const each of ctx.recipients) { ctx.settle(each, "discarded"); ctx.settle(each, "stored"); }
    return next();
  },
  settle_rubbish(ctx, next) { for (const each of ctx.recipients) ctx.settle(each, "eaten"); return next(); },
  settle_stranger(ctx, next) { ctx.settle({ address: { local: "x", domain: "y" } }, "stored"); return next(); },
};
const handler = (phase) => (ctx, next) => {
  const [deed, where] = (phase === "connect" || phase === "helo" ? ctx.helo ?? "" : ctx.sender?.local ?? "").split(".");
  return where === phase ? deeds[deed](ctx, next) : next();
};
export default {
  name: "bad",
  handlers: Object.fromEntries(["helo", "mail", "rcpt", "data", "queue"].map((phase) => [phase, handler(phase)])),
};
`;
const CONFIG = (plugins: string) =>
  `hostname: mx.local.example
domains: ["*"]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:2525", delayRefusals: false }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
limits: { errors: 1000 }
plugins:
${plugins}
`;
const MESSAGE = mail("From: a@example.org\nSubject: test\n\nUnchanged.\n");

async function start(folder: TempFolder): Promise<Server> {
  const path = await folder.file("bad.ts", BAD);
  return await Server.start({
    config: CONFIG(`  - ${path}: {}\n    deadline: 1s\n  - inbox: { everything: true }`),
  });
}
/** The reply of the first step that is no 2xx or 354, else the one to the message. */
async function transaction(client: SmtpClient, from: string): Promise<string> {
  for (const line of [`MAIL FROM:<${from}>`, "RCPT TO:<box@local.example>", "DATA"]) {
    const reply = await client.command(line);
    if (reply.code >= 400) return reply.raw.trim();
  }
  await client.send(`${new TextDecoder().decode(MESSAGE)}.\r\n`);
  return (await client.reply()).raw.trim();
}

const FAULTS = [
  ...["throw", "throw_nothing", "throw_a_proxy", "reject", "hang", "rubbish", "nothing", "rubbish_later", "thenable"],
  ...["next_twice", "next_unawaited", "no_reply_class"],
];

Deno.test("case 77: whatever a plugin does wrong, in any phase, is 451 4.3.0; the next message goes through", async (t) => {
  await using folder = await TempFolder.make();
  await using server = await start(folder);
  using client = await SmtpClient.ready(server.ports.smtp);
  let accepted = 0;
  const works = async () => {
    await client.command("RSET", 250);
    assertMatch(await transaction(client, "good@example.org"), /^250 2\.0\.0 queued as /);
    accepted++;
  };
  for (const deed of FAULTS) {
    await t.step(deed, async () => {
      for (const phase of ["helo", "mail", "rcpt", "data", "queue"]) {
        // After next() in queue the message is durable: what is said then cannot take the 250 back (SEMANTICS 3).
        if (phase === "queue" && deed.startsWith("next_")) continue;
        const reply = phase === "helo"
          ? (await client.command(`EHLO ${deed}.helo`)).raw.trim()
          : await transaction(client, `${deed}.${phase}@example.org`);
        assertMatch(reply, /^451 4\.3\.0 Local error in processing( \(ref [0-9A-Z]{8}\))?$/, `${deed} in ${phase}`);
        await works();
      }
    });
  }
  assertEquals((await server.api.messages()).length, accepted, "nothing of what was refused is kept");
  assertEquals((await server.api.queue()).total, 0);
  await waitFor(
    "the log to name the plugin and the fault",
    () => /error +\S+ decided +data bad=error/.test(server.output),
  );
  assertStringIncludes(server.output, "thrown on purpose");
  assert(!/^in two lines/m.test(server.output));
  assert(!/\btrouble\b.*uncaught/.test(server.output), server.output);
});

Deno.test("case 77: after next() in queue the message is durable, and is answered so, once", async () => {
  await using folder = await TempFolder.make();
  await using server = await start(folder);
  using client = await SmtpClient.ready(server.ports.smtp);
  const replies: string[] = [];
  for (const deed of ["next_twice", "next_twice", "next_unawaited"]) {
    replies.push(await transaction(client, `${deed}.queue@example.org`));
  }
  const stored = (await server.api.messages()).map(({ id }) => id);
  assertEquals(replies.map((reply) => /^250 2\.0\.0 queued as (\w+)$/.exec(reply)?.[1]), stored.reverse());
});

Deno.test("case 77: a deadline ends what hangs, and neighbours go on meanwhile", async () => {
  await using folder = await TempFolder.make();
  await using server = await start(folder);
  using hanging = await SmtpClient.ready(server.ports.smtp);
  using neighbour = await SmtpClient.ready(server.ports.smtp);
  const started = performance.now();
  const stuck = transaction(hanging, "hang.data@example.org");
  let over = false, meanwhile = 0;
  stuck.then(() => over = true);
  while (!over) {
    assertMatch(await transaction(neighbour, "good@example.org"), /^250 /);
    if (!over) meanwhile++;
  }
  const took = performance.now() - started;
  assertMatch(await stuck, /^451 4\.3\.0 /);
  assert(took >= 990 && took < 5000, `${took} ms`);
  assert(meanwhile >= 3, `${meanwhile} messages meanwhile`);
});

Deno.test("case 77: a loop of two seconds delays neighbours and harms none; its own message is late", async () => {
  await using folder = await TempFolder.make();
  await using server = await start(folder);
  using blocking = await SmtpClient.ready(server.ports.smtp);
  const neighbours = await Promise.all([1, 2, 3, 4].map(() => SmtpClient.ready(server.ports.smtp)));
  try {
    for (const each of neighbours) await each.begin({ from: "good@example.org", to: ["box@local.example"] });
    const blocked = transaction(blocking, "block.data@example.org");
    const replies = neighbours.map(async (each) => {
      await each.send(`${new TextDecoder().decode(MESSAGE)}.\r\n`);
      return (await each.reply()).code;
    });
    assertMatch(await blocked, /^451 4\.3\.0 /);
    assertEquals(await Promise.all(replies), [250, 250, 250, 250]);
    assertEquals((await server.api.messages()).length, 4);
    await waitFor("the log to say who", () => /bad=error reason="?exceeded its deadline/.test(server.output));
  } finally {
    for (const each of neighbours) each.close();
  }
});

Deno.test("case 77: errors in timers and dangling promises are told loudly and end nobody", async () => {
  await using folder = await TempFolder.make();
  await using server = await start(folder);
  using client = await SmtpClient.ready(server.ports.smtp);
  const rows: [deed: string, says: RegExp][] = [
    ["timer_throws", /trouble +uncaught .*thrown in a timer/],
    ["timer_rejects", /trouble +uncaught .*rejected in a timer/],
    ["dangling", /trouble +uncaught .*nobody waits for this/],
    ["interval", /trouble +uncaught .*again and again/],
  ];
  for (const [deed, says] of rows) {
    assertMatch(await transaction(client, `${deed}.data@example.org`), /^250 /, deed);
    await waitFor(`${deed} in the log`, () => says.test(server.output));
    assertMatch(await transaction(client, "good@example.org"), /^250 /, deed);
  }
  assert(server.output.split("\n").every((line) => line === "" || /^(\d{4}-|Postern|The site|Data is)/.test(line)));
  await client.quit();
  assertEquals((await server.stop()).code, 0);
});

Deno.test("case 77: octets edited in place, changes after the answer: the message is as it came", async () => {
  await using folder = await TempFolder.make();
  await using server = await start(folder);
  using client = await SmtpClient.ready(server.ports.smtp);
  for (const deed of ["edit.data", "edit.queue", "late.data"]) {
    const reply = await transaction(client, `${deed}@example.org`);
    const id = /queued as (\w+)/.exec(reply)?.[1];
    assert(id, `${deed}: ${reply}`);
    if (deed === "late.data") await waitFor("the word about it", () => /after its answer/.test(server.output));
    assertEquals(addedOnly((await server.api.raw(id))!, MESSAGE), null, deed);
  }
});

Deno.test("case 77: settling twice keeps the first result; settling rubbish or strangers is 451", async () => {
  await using folder = await TempFolder.make();
  await using server = await start(folder);
  using client = await SmtpClient.ready(server.ports.smtp);
  assertMatch(await transaction(client, "settle_twice.queue@example.org"), /^250 2\.0\.0 queued as /);
  assertEquals((await server.api.messages()).length, 0);
  for (const deed of ["settle_rubbish.queue", "settle_stranger.queue", "settle_twice.data", "refuse_rubbish.data"]) {
    assertMatch(await transaction(client, `${deed}@example.org`), /^451 4\.3\.0 /, deed);
  }
  assertEquals(queuedAs(await deliver(client)) !== null, true);
  assertEquals((await server.api.messages()).length, 1);
});

async function deliver(client: SmtpClient) {
  return await client.deliver({ from: "good@example.org", to: ["box@local.example"], message: MESSAGE });
}

// Into a binary such a module does not come: `postern build` says so (binary_test.ts)
const unloadable = "a plugin that cannot be loaded: a line with file, place and reason, exit code 1";
Deno.test(unloadable, { ignore: BINARY !== null }, async () => {
  await using folder = await TempFolder.make();
  const rows: [name: string, text: string, says: RegExp][] = [
    ["syntax.ts", "export default {", /cannot load .*syntax\.ts/],
    ["throws.ts", "throw new Error('at import\\nin two lines');", /cannot load .*throws\.ts: at import in two lines/],
    ["none.ts", "export const x = 1;", /must export a plugin as its default/],
    ["missing.ts", "", /cannot load .*missing\.ts/],
    [
      "create.ts",
      `import { definePlugin } from "postern"; import { z } from "zod";
      export default definePlugin({ name: "c", options: z.strictObject({}), create() { throw new Error("not today"); } });`,
      /not today/,
    ],
  ];
  for (const [name, text, says] of rows) {
    if (text !== "") await folder.file(name, text);
    const config = await folder.file("postern.yaml", CONFIG(`  - ./${name}: {}\n  - inbox: { everything: true }`));
    for (const command of ["serve", "check"]) {
      const { code, err } = await postern([command, "-c", config], { env: { POSTERN_ADMIN_TOKEN: "x".repeat(16) } });
      assertEquals(code, 1, err);
      assertMatch(err, /^[^\n]*postern\.yaml:8:\d+: [^\n]*\n$/, name);
      assertMatch(err, says);
    }
  }
});

Deno.test("case 77: a plugin that hangs does not keep the server from stopping", async () => {
  await using folder = await TempFolder.make();
  const path = await folder.file(
    "hang.ts",
    `export default { name: "hang", handlers: { data: () => new Promise(() => {}) } };`,
  );
  const config = CONFIG(`  - ${path}: {}\n    deadline: 5m\n  - inbox: { everything: true }`);
  await using server = await Server.start({ config: config.replace("errors: 1000", "drainTime: 1s") });
  using client = await SmtpClient.ready(server.ports.smtp);
  const answer = transaction(client, "good@example.org").catch((error) => error.name);
  await waitFor("the message to be inside", async () => {
    const text = await (await server.api.get("/metrics")).text();
    return text.length > 0;
  });
  const { code } = await within("the end", server.stop(), 12_000);
  assertEquals(code, 0);
  await answer;
});
