/**
 * Ten mistakes of a plugin's author, and the words in which each is told: by the compiler, at the start, or in the story of
 * the message that met it. Each stands in a file of its own, as somebody would have written it; in TypeScript the compiler
 * finds what types can say, in JavaScript nothing is found before it runs, and still nothing goes by unsaid.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../../cli/main.ts";
import { mail } from "../support/bytes.ts";
import { freePort } from "../support/ports.ts";
import { BINARY } from "../support/program.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor, within } from "../support/wait.ts";
import { FakeTerminal } from "../unit/cli/fake_terminal.ts";

interface Mistake {
  readonly name: string;
  /** TypeScript that does not compile: file, the line at fault, and what the compiler says of it. */
  readonly compiled?: readonly (readonly [file: string, line: number, text: string, says: RegExp])[];
  /** A plugin that does not start, its options, and what `postern check` says behind FILE:5:. */
  readonly started?: readonly (readonly [file: string, text: string, options: string, says: RegExp])[];
  /** JavaScript that runs: its name, its phase in the story, and what that says. */
  readonly told?: readonly (readonly [file: string, text: string, says: string])[];
}

const OPTIONS = `export default definePlugin({
  name: "short_names",
  options: z.strictObject({ longest: z.number() }),
  create: () => ({}),
});`;
const TYPED = `import { accept, definePlugin, key, on, reject } from "postern";
import { z } from "zod";
const GREETED = key<string>("greeted");
const TRUST = key<number>("trust", "recipient");
`;
const UNTYPED = `import { accept, definePlugin, key, on, reject } from "postern";
import { z } from "zod";
const TRUST = key("trust", "recipient");
`;

const MISTAKES: readonly Mistake[] = [
  {
    name: "misspelt phase",
    compiled: [
      ["phase.ts", 5, `on("rctp", (ctx, next) => next());`, /'"rctp"' is not assignable to parameter of type 'Phase'/],
      [
        "phase_made.ts",
        5,
        `definePlugin({ name: "x", options: z.strictObject({}), create: () => ({ rctp: (ctx, next) => next() }) });`,
        /is not assignable to type '"there is no phase rctp"'/,
      ],
    ],
    started: [[
      "phase.js",
      `export default { name: "phase", handlers: { rctp: (ctx, next) => next() } };`,
      "",
      /handles the unknown phase "rctp"; did you mean "rcpt"\?$/,
    ]],
  },
  {
    name: "wrong key scope",
    compiled: [
      [
        "scope.ts",
        6,
        `on("data", (ctx, next) => {\n  ctx.set(TRUST, 1);\n  return next();\n});`,
        /'Key<number, "recipient">' is not assignable to parameter of type 'Key<number, "connection" \| "transaction">'\./,
      ],
      [
        "scope_early.ts",
        6,
        `on("connect", (ctx, next) => {\n  ctx.set(GREETED, "yes");\n  return next();\n});`,
        /'Key<string, "transaction">' is not assignable to parameter of type 'Key<string, "connection">'\./,
      ],
    ],
    told: [[
      "scope.js",
      `on("data", (ctx, next) => (ctx.set(TRUST, 1), next()), { name: "scope" })`,
      `scope failed when the message had come: set(): the key "trust" is of one recipient, and data has many: recipient.get() reads, rcpt sets at `,
    ]],
  },
  {
    name: "forgotten next",
    compiled: [[
      "forgotten.ts",
      5,
      `on("mail", (ctx) => {\n  ctx.set(GREETED, ctx.helo);\n});`,
      /Type 'void' is not assignable to type 'Answer<Verdict>'/,
    ]],
    told: [[
      "forgotten.js",
      `on("data", (ctx) => ctx.prependHeader("X-Seen", "yes"), { name: "forgotten" })`,
      `forgotten failed when the message had come: answered with nothing: "return next()", or return accept(), defer() or reject().`,
    ]],
  },
  {
    name: "dropped answer",
    compiled: [[
      "dropped.ts",
      5,
      `on("mail", async (ctx, next) => {\n  await next();\n});`,
      /Type 'Promise<void>' is not assignable to type 'Answer<Verdict>'/,
    ]],
    told: [
      [
        "dropped.js",
        `on("data", async (ctx, next) => { await next(); }, { name: "dropped" })`,
        `dropped failed when the message had come: answered with nothing after next(): "return next()", or return the reply that it gave.`,
      ],
      [
        "overruled.js",
        `on("data", async (ctx, next) => { await next(); return accept(); }, { name: "overruled" })`,
        "overruled failed when the message had come: dropped the refusal that next() gave (550 5.7.1): return it, or accept(text, { over: reply }).",
      ],
    ],
  },
  {
    name: "status of the wrong class",
    compiled: [
      [
        "status.ts",
        5,
        `on("mail", () => reject("4.7.1", "Come later"));`,
        /'"4\.7\.1"' is not assignable to parameter of type '`5\.\$\{number\}\.\$\{number\}`'/,
      ],
      [
        "status_queue.ts",
        5,
        `on("queue", () => reject("5.7.1", "Never"));`,
        /Type '"reject"' is not assignable to type '"accept" \| "defer"'/,
      ],
    ],
    told: [
      [
        "status.js",
        `on("data", () => reject("4.7.1", "Come later"), { name: "status" })`,
        "status failed when the message had come: status 4.7.1 does not fit code 550, whose status is 5.x.x: defer() takes 4.x.x, reject() 5.x.x at ",
      ],
      [
        "status_queue.js",
        `on("queue", (ctx, next) => ctx.sender.domain.includes("queue") ? reject("5.7.1", "Never") : next(), { name: "status_queue" })`,
        "status_queue failed when it was to be stored: rejected in queue, where policy has ended: refuse(recipient, reply) rejects for one recipient, defer() for now.",
      ],
    ],
  },
  {
    name: "wrong option type",
    compiled: [[
      "option.ts",
      5,
      `definePlugin({ name: "x", options: z.strictObject({ longest: z.number() }), create: () => ({}) })({ longest: "ten" });`,
      /Type 'string' is not assignable to type 'number'/,
    ]],
    started: [["option.js", OPTIONS, "{ longest: ten }", /longest: must be a number$/]],
  },
  {
    name: "option missing",
    compiled: [[
      "missing.ts",
      5,
      `definePlugin({ name: "x", options: z.strictObject({ longest: z.number() }), create: () => ({}) })({});`,
      /Property 'longest' is missing in type '\{\}'/,
    ]],
    started: [["missing.js", OPTIONS, "{}", /longest: is missing; it must be a number$/]],
  },
  {
    name: "throws",
    told: [[
      "throws.js",
      `on("data", (ctx) => ctx.sender.nobody.here, { name: "throws" })`,
      "throws failed when the message had come: Cannot read properties of undefined (reading 'here') at ",
    ]],
  },
  {
    name: "never settles",
    told: [[
      "never.js",
      `on("data", () => new Promise(() => {}), { name: "never" })`,
      `never failed when the message had come: exceeded its deadline of 1 s: give ctx.signal to what it waits for, or raise "deadline".`,
    ]],
  },
  {
    name: "double next",
    told: [[
      "twice.js",
      `on("data", async (ctx, next) => (await next()).verdict === "accept" ? next() : accept(), { name: "twice" })`,
      `twice failed when the message had come: called next() twice: keep its answer, as in "const reply = await next()".`,
    ]],
  },
];

Deno.test("the ten mistakes are ten, and each is told somewhere", () => {
  assertEquals(MISTAKES.length, 10);
  for (const { name, compiled, started, told } of MISTAKES) assert(compiled ?? started ?? told, name);
});

Deno.test("docs/plugins.md has the ten, in the words in which they are told", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/plugins.md", import.meta.url));
  const section = page.slice(page.indexOf("## When something goes wrong")).split("\n## ")[0]!.replace(/\s+/g, " ");
  for (const { name, compiled = [], started = [], told = [] } of MISTAKES) {
    assertStringIncludes(section.toLowerCase().replaceAll("`", ""), `. **${name}`);
    for (const [, , , says] of compiled) assertMatch(section, new RegExp(says.source.replace(/\\\.$/, "")));
    for (const [, , , says] of started) assertMatch(section, new RegExp(says.source.replace(/\$$/, "")));
    for (const [, , says] of told) {
      assertStringIncludes(section, says.replace(/^\w+ failed .*?: /, "").replace(/(?: at |\.)$/, ""));
    }
  }
});

Deno.test("mistakes of a plugin's author that the compiler finds: what it says first, and where", async () => {
  await using folder = await TempFolder.make();
  const rows = MISTAKES.flatMap(({ compiled = [] }) => compiled);
  for (const [file, , text] of rows) await folder.file(file, `${TYPED}export default ${text}\n`);
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const check = new Deno.Command(Deno.execPath(), {
    args: ["check", "--config", config, ...rows.map(([file]) => folder.at(file))],
    env: { NO_COLOR: "1" },
    stdin: "null",
  });
  const { code, stderr } = await within("the compiler", check.output(), 120_000);
  assertEquals(code, 1);
  const errors = new TextDecoder().decode(stderr).split(/\n(?=TS\d+ \[ERROR\])/);
  for (const [file, line, , says] of rows) {
    const first = errors.find((each) => /at file:\S+\/([\w.]+):\d+:\d+/.exec(each)?.[1] === file);
    assert(first !== undefined, `${file} compiles`);
    assertStringIncludes(first, `/${file}:${line}:`);
    assertMatch(first.slice(0, first.indexOf("    at file:")), says, file);
  }
});

/** A command of the same process: what a child adds is tested by others. */
async function postern(args: readonly string[], { cwd, env }: { cwd: string; env?: Record<string, string> }) {
  const terminal = new FakeTerminal({ cwd, env: env ?? {} });
  const code = await run([...args], terminal);
  return { code, out: terminal.printed.join("\n"), err: terminal.complaints.join("\n") };
}
const CONFIG = (plugins: string) =>
  `hostname: mx.local.example
domains: [local.example]
listeners: [{ address: "127.0.0.1:2525" }]
plugins:
${plugins}
  - inbox: { everything: true }
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
limits: { errors: 1000 }
`;

Deno.test("mistakes of a plugin's author that a start finds: file, line, column and what to do", async () => {
  await using folder = await TempFolder.make();
  for (const [file, text, options, says] of MISTAKES.flatMap(({ started = [] }) => started)) {
    await folder.file(file, `${UNTYPED}${text}\n`);
    const config = await folder.file("postern.yaml", CONFIG(`  - ./${file}${options === "" ? "" : `: ${options}`}`));
    const env = { POSTERN_ADMIN_TOKEN: "x".repeat(20), POSTERN_DATA: folder.at("data") };
    const { code, err } = await postern(["check", "-c", config], { cwd: folder.path, env });
    assertEquals(code, 1, err);
    assertMatch(err, new RegExp(`^${config}:5:\\d+: plugins\\[0\\]`));
    assertMatch(err, says);
  }
});

Deno.test("mistakes of a plugin's author that only a message meets: 451, and explain says who, where and what to do", async (t) => {
  await using folder = await TempFolder.make();
  const rows = MISTAKES.flatMap(({ told = [] }) => told), entries: string[] = [];
  for (const [file, text] of rows) {
    await folder.file(file, `${UNTYPED}export default ${text};\n`);
    const deadline = file === "never.js" ? "1s" : "60s";
    entries.push(
      `  - ${folder.at(file)}: {}\n    deadline: ${deadline}\n    when: { senderDomain: ${domainOf(file)} }`,
    );
  }
  const judge =
    `import { on, reject } from "postern";\nexport default on("data", () => reject("5.7.1", "No"), { name: "judge" });`;
  entries.push(`  - ${await folder.file("judge.ts", judge)}: {}\n    when: { senderDomain: overruled.example }`);
  const text = CONFIG(entries.join("\n"));
  await using server = await Server.start({ config: text, data: folder.at("data") });
  const config = await folder.file("postern.yaml", text);
  const env = {
    POSTERN_DATA: folder.at("data"),
    POSTERN_ADMIN: `127.0.0.1:${server.ports.admin}`,
    POSTERN_SMTP: `127.0.0.1:${freePort()}`,
    POSTERN_ADMIN_TOKEN: server.api.token,
  };
  using client = await SmtpClient.ready(server.ports.smtp);
  for (const [file, , says] of rows) {
    await t.step(file, async () => {
      const reply = await send(client, `a@${domainOf(file)}`);
      const [, reference] = /^451 4\.3\.0 Local error in processing \(ref (\w{8})\)$/.exec(reply) ?? [];
      assert(reference !== undefined, `${file}: ${reply}`);
      const out = await waitFor("its story", async () => {
        const told = await postern(["explain", reference, "-c", config], { cwd: folder.path, env });
        return told.code === 0 && told.out;
      });
      // In one file there are no files to name
      assertStringIncludes(out, BINARY === null ? says : says.replace(/ at $/, ""));
      if (BINARY === null && says.endsWith(" at ")) {
        assertMatch(out, new RegExp(` at \\S*${file}:4:\\d+\\.`), "the place in the file");
      }
      assertMatch(out, new RegExp(`${file.slice(0, -3)} +FAILED`));
    });
  }
  assertMatch(await send(client, "a@good.example"), /^250 2\.0\.0 queued as /);
});

function domainOf(file: string): string {
  return `${file.slice(0, -3).replace("_", "-")}.example`;
}
async function send(client: SmtpClient, from: string): Promise<string> {
  await client.command(`MAIL FROM:<${from}>`, 250);
  await client.command("RCPT TO:<bob@local.example>", 250);
  await client.command("DATA", 354);
  await client.send(mail(`From: ${from}\nSubject: x\n\nText\n`));
  await client.send(".\r\n");
  return (await client.reply()).raw.trim();
}
