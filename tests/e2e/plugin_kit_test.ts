/**
 * The kit as somebody has it who begins in an empty folder: a plugin of his own that passes everything as it was written,
 * a server with it, and Postern inside the tests of his program. The same files in a checkout.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { freePort } from "../support/ports.ts";
import { postern } from "../support/cli.ts";
import { BINARY } from "../support/program.ts";
import { TIED } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor, within } from "../support/wait.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const NAME = "no_newsletters";

/** Deno in a folder, to its end. */
async function deno(cwd: string, ...args: string[]): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const { code, stdout, stderr } = await within(args.join(" "), child.output(), 180_000, () => child.kill("SIGKILL"));
  const said = `${new TextDecoder().decode(stdout)}${new TextDecoder().decode(stderr)}`;
  assertEquals(code, 0, `deno ${args.join(" ")}: ${said}`);
  return said;
}

/** The test of a program that sends mail: with a server of its own, without a right to write or to read variables. */
const APP_TEST = `import { createServer } from "postern";
import { createTransport } from "npm:nodemailer@10.6.0";
import { strictEqual, rejects } from "node:assert/strict";
import ${NAME} from "./plugins/${NAME}/mod.ts";

Deno.test("the program sends its mail", async () => {
  await using server = await createServer({ plugins: [${NAME}({ domains: ["example.net"] })] });
  const transport = createTransport({ host: server.host, port: server.port });
  const mail = { from: "shop@example.org", to: "bob@example.com", subject: "Your order", text: "On its way" };
  await transport.sendMail(mail);
  const { text, header } = await server.nextMessage({ to: mail.to });
  strictEqual(text?.trim(), "On its way");
  strictEqual(header("X-Looked-At-By"), "${NAME}");
  await rejects(() => transport.sendMail({ ...mail, from: "shop@example.net" }), /No mail from there/);
});
`;

Deno.test({
  name: "from one file: a new plugin asks for the Postern that is published, for there is no checkout",
  ignore: BINARY === null,
  fn: async () => {
    await using folder = await TempFolder.make();
    const made = await postern(["plugin", "new", NAME], { cwd: folder.path });
    assertEquals([made.code, made.err], [0, ""]);
    const { links, imports } = JSON.parse(await Deno.readTextFile(folder.at("deno.json")));
    assertEquals(links, undefined);
    assertMatch(imports.postern, /^jsr:@postern\/postern@\d/);
  },
});

const kitTest = BINARY === null ? Deno.test : Deno.test.ignore; // what follows wants the checkout

kitTest("a new plugin in an empty folder passes what it is given to, and a server runs with it", async () => {
  await using folder = await TempFolder.make();
  const made = await postern(["plugin", "new", NAME], { cwd: folder.path });
  assertEquals([made.code, made.err], [0, ""]);
  await deno(folder.path, "check");
  await deno(folder.path, "lint");
  await deno(folder.path, "fmt", "--check");
  assert((await deno(folder.path, "test", `plugins/${NAME}/`)).includes("3 passed"));

  await folder.file("app_test.ts", APP_TEST);
  assert(
    (await deno(folder.path, "test", "--no-prompt", "--allow-net", "--allow-read", "app_test.ts")).includes("1 passed"),
  );

  const port = freePort(), entry = /^ {2}- \.\/plugins.*\n {6}.*$/m.exec(made.out)![0];
  await folder.file(
    "postern.yaml",
    `store: memory\nlisteners: [{ address: "127.0.0.1:${port}" }]\nplugins:\n${entry}\n  - inbox: { everything: true }\n`,
  );
  const [program, ...before] = [...TIED, Deno.execPath()];
  const server = new Deno.Command(program!, {
    args: [...before, "task", "postern", "serve"], // the second command of its README
    cwd: folder.path,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    using client = await waitFor("a greeting", () => SmtpClient.connect(port).catch(() => null), { deadline: 120_000 });
    await client.expect(220);
    await client.command("EHLO client.example", 250);
    await client.command("MAIL FROM:<eve@example.net>", 250);
    const refused = await client.command("RCPT TO:<bob@example.org>", 550);
    assert(refused.raw.includes("No mail from there"), refused.raw);
  } finally {
    try {
      server.kill("SIGTERM");
    } catch { /* it has ended by itself, which the greeting told */ }
    await server.status;
  }
});

Deno.test("a new plugin of a checkout is checked by the checkout's own rules, and passes", async () => {
  await using folder = await TempFolder.make();
  await folder.file("deno.json", '{ "imports": { "postern": "elsewhere" } }'); // so that none is written
  assertEquals((await postern(["plugin", "new", NAME, "--dir", folder.path])).code, 0);
  await Deno.remove(folder.at("deno.json"));
  const files = ["mod.ts", "mod_test.ts"].map((name) => folder.at(`plugins/${NAME}/${name}`));
  const rules = ["--config", `${ROOT}deno.json`];
  await deno(folder.path, "check", "--no-lock", ...rules, ...files);
  await deno(folder.path, "lint", ...rules, ...files);
  await deno(folder.path, "fmt", "--check", ...rules, ...files, folder.at(`plugins/${NAME}/README.md`));
  assert((await deno(folder.path, "test", "--no-lock", ...rules, files[1]!)).includes("3 passed"));
  for (const file of files) assert((await Deno.readTextFile(file)).startsWith("/**"), file); // tests/architecture_test.ts
});
