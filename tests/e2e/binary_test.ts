/**
 * One file as an operator builds and runs it: in his own folder, with his plugin, with the permissions that it needs and no
 * others, in an empty root with nothing but the C library, on a disk that nobody may write.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { programOf, testUnless } from "../support/debian.ts";
import { freePort } from "../support/ports.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor, within } from "../support/wait.ts";

const MAIN = new URL("../../cli/main.ts", import.meta.url).pathname;
const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
const ALLOWED = (tasks.postern as string).split(" ").filter((word) => word.startsWith("--"));
const PLUGIN = `import { definePlugin, reject } from "postern";
import { z } from "zod";
export default definePlugin({
  name: "greeting",
  options: z.strictObject({ word: z.string() }),
  create: ({ word }) => ({
    rcpt: (ctx, next) => {
      if (ctx.recipient.address.local === "nobody") return reject("5.1.1", \`No \${word} here\`);
      if (ctx.recipient.address.local === "thief") Deno.readTextFileSync("/etc/passwd");
      return next();
    },
  }),
});
`;

/** Runs in a process of its own, which is this same file. */
const APART = `import { on, reject } from "postern";
export default on("rcpt", (ctx, next) => {
  if (ctx.recipient.address.local !== "apart") return next();
  try {
    return reject("5.7.1", Deno.readTextFileSync("/etc/passwd"));
  } catch (error) {
    return reject("5.7.1", (error as Error).name);
  }
}, { name: "apart" });
`;

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
async function run(command: readonly string[], options: Deno.CommandOptions = {}): Promise<Said> {
  const [program, ...args] = command;
  const child = new Deno.Command(program!, { args, stdin: "null", stdout: "piped", stderr: "piped", ...options })
    .spawn();
  const { code, stdout, stderr } = await within(
    `the end of ${program}`,
    child.output(),
    120_000,
    () => child.kill("SIGKILL"),
  );
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}
/** With the permissions of `deno task postern`, which the manual says. */
const build = (folder: string, ...args: string[]) =>
  run([Deno.execPath(), "run", ...ALLOWED, MAIN, "build", "--how", "join", ...args], { cwd: folder });

/** An operator's folder with a binary that was built in it; no checkout of his. */
class Site implements AsyncDisposable {
  readonly smtp = freePort();
  readonly admin = freePort();
  built: Said = { code: -1, out: "", err: "" };
  private constructor(readonly folder: TempFolder) {}

  static async make(): Promise<Site> {
    const site = new Site(await TempFolder.make("postern-operator-"));
    await site.folder.file("plugins/greeting.ts", PLUGIN);
    await site.folder.file("plugins/apart.ts", APART);
    await site.folder.file(
      "postern.yaml",
      `hostname: mx.example.org
data: ./data
domains: [example.org]
listeners: [{ address: "127.0.0.1:${site.smtp}" }]
admin: { address: "127.0.0.1:${site.admin}", token: "\${MY_TOKEN}" }
plugins:
  - ./plugins/greeting.ts: { word: bonjour }
  - ./plugins/apart.ts: {}
    sandbox: { memory: 256MiB, cpu: 60s }
    deadline: 120s
  - headers: {}
    sandbox: { cpu: 60s }
    deadline: 120s
  - inbox: { everything: true }
`,
    );
    site.built = await build(site.folder.path, "-c", "postern.yaml");
    return site;
  }
  get program(): string {
    return this.folder.at("dist/postern");
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

interface Answers {
  readonly nobody: string;
  readonly thief: string;
  readonly apart: string;
}
/** Starts it, sends a message, asks for what it should not do, reads the message and the site; SIGTERM, and it drains. */
async function serves(site: Site, command: readonly string[], env: Record<string, string> = {}): Promise<Answers> {
  const [program, ...args] = command;
  const child = new Deno.Command(program!, {
    args,
    clearEnv: true,
    env: { MY_TOKEN: "token-of-the-operator", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "", ended = false;
  const streams = [child.stdout, child.stderr].map(async (stream) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  });
  const status = child.status.then((result) => (ended = true, result));
  try {
    await waitFor("the greeting", () => {
      if (ended) throw new Error(`it ended: ${output}`);
      return output.includes("The site is at");
    }, { deadline: 60_000 });
    using client = await SmtpClient.connect(site.smtp, { deadline: 30_000 });
    await client.expect(220);
    await client.command("EHLO client.example", 250);
    await client.command("MAIL FROM:<a@sender.example>", 250);
    const nobody = (await client.command("RCPT TO:<nobody@example.org>")).raw;
    const thief = (await client.command("RCPT TO:<thief@example.org>")).raw;
    const apart = (await client.command("RCPT TO:<apart@example.org>")).raw;
    await client.command("RCPT TO:<bob@example.org>", 250);
    await client.command("DATA", 354);
    await client.command(
      "From: a@sender.example\r\nDate: Mon, 30 Nov 2026 12:00:00 +0000\r\nSubject: one file\r\n\r\nHello\r\n.",
      250,
    );
    await client.quit();
    const site_ = `http://127.0.0.1:${site.admin}`, headers = { authorization: "Bearer token-of-the-operator" };
    const list = await (await fetch(`${site_}/api/v1/messages`, { headers })).json();
    assertEquals(list.messages.map(({ subject }: { subject: string }) => subject), ["one file"]);
    // The page of a message wants the thread that reads MIME, and the files of the site
    const html = await (await fetch(`${site_}/api/v1/messages/${list.messages[0].id}`, { headers })).json();
    assertStringIncludes(JSON.stringify(html), "one file");
    const login = await (await fetch(`${site_}/`)).text(), style = /\/assets\/site\.css\?v=[\w-]+/.exec(login)?.[0];
    assert(style !== undefined, login);
    assertMatch(await (await fetch(`${site_}${style}`)).text(), /font/);
    child.kill("SIGTERM");
    assertEquals((await within("the end", status, 60_000)).code, 0, output);
    assertStringIncludes(output, "stopped");
    return { nobody, thief, apart };
  } finally {
    if (!ended) child.kill("SIGKILL");
    await status;
    await Promise.all(streams);
  }
}

Deno.test("an operator builds in his own folder: it says how, what it has and what it may, and does that and no more", async () => {
  await using site = await Site.make();
  const { code, out, err } = site.built;
  assertEquals([code, err], [0, ""]);
  assertMatch(out, /dist\/postern: Postern [\d.]+ for \S+-linux-gnu, \d+\.\d MB\n/);
  assertMatch(
    out,
    /made {6}this Deno \([\d.]+\) and the modules joined in one file; not by deno compile: --how join\n/,
  );
  assertMatch(out, /carries .*inbox.*, \.\/plugins\/greeting\.ts, \.\/plugins\/apart\.ts\n/);
  assertMatch(out, /--allow-env=\S*,MY_TOKEN /);
  await Deno.remove(site.folder.at("plugins"), { recursive: true }); // it has its own
  const { nobody, thief, apart } = await serves(site, [site.program, "serve", "-c", site.folder.at("postern.yaml")]);
  assertMatch(nobody, /^550 5\.1\.1 No bonjour here/);
  assertMatch(apart, /^550 5\.7\.1 NotCapable/, "what runs apart may read nothing");
  assertMatch(thief, /^451 /, "it may not read what the configuration does not name");

  const version = await run([site.program, "--version"], { clearEnv: true, cwd: "/" });
  assertMatch(version.out, /^[\d.]+ \(Deno [\d.]+ on \S+, joined in one file\)\n$/);
  const yaml = await Deno.readTextFile(site.folder.at("postern.yaml"));
  const check = async (text: string) =>
    await run([site.program, "check", "-c", await site.folder.file("other.yaml", text)], {
      env: { MY_TOKEN: "x".repeat(20) },
    });
  const rows: [string, RegExp][] = [
    [
      yaml.replace("greeting.ts", "later.ts"),
      /other\.yaml:\d+:\d+: .*this binary was built without \.\/plugins\/later\.ts: build it again/,
    ],
    [
      yaml.replace("- inbox", "- greylist\n  - inbox"),
      /other\.yaml:\d+:\d+: .*there is no plugin "greylist" in this binary: build it again/,
    ],
  ];
  for (const [text, says] of rows) {
    const { code, err } = await check(text);
    assertEquals(code, 1);
    assertMatch(err, says);
  }
  const again = await run([site.program, "build"], { cwd: site.folder.path });
  assertEquals([again.code, again.out], [1, ""]);
  assertMatch(again.err, /a binary has no sources to build from/);
  await Deno.symlink(site.program, site.folder.at("mailq"));
  const mailq = await run([site.folder.at("mailq"), "-C", site.folder.at("postern.yaml")], {
    env: { MY_TOKEN: "x".repeat(20) },
  });
  // It was a sendmail by its name: this is how one says that no server answers
  assertEquals([mailq.code, mailq.out], [69, ""]);
  assertMatch(mailq.err, /^postern: mailq: the server does not answer/);
});

const ROOT_ONLY = Deno.uid() !== 0 ? "root" : programOf("setpriv") === null ? "setpriv" : null;

testUnless(
  ROOT_ONLY,
  "in an empty root with the C library alone: no shell, no PATH, no HOME, nothing that one may write",
  async () => {
    await using site = await Site.make();
    assertEquals(site.built.code, 0, site.built.err);
    const root = site.folder.at("root");
    const { out } = await run(["ldd", Deno.execPath()]);
    const libraries = [...new Set([...out.matchAll(/(\/\S*\.so\S*)/g)].map(([, path]) => path!))];
    assert(libraries.length >= 2, out);
    for (const path of libraries) {
      await Deno.mkdir(root + path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.copyFile(path, root + path);
    }
    for (const name of ["proc", "dev", `${site.folder.path}/data`.slice(1)]) {
      await Deno.mkdir(`${root}/${name}`, {
        recursive: true,
      });
    }
    await Deno.copyFile(site.program, `${root}/postern`);
    await Deno.copyFile(site.folder.at("postern.yaml"), `${root}${site.folder.at("postern.yaml")}`);
    // A mount namespace of its own: /proc, the whole root read-only, the data folder in memory. Then nobody, without rights.
    const script = `set -e
mount --make-rprivate /
mount --bind ${root} ${root}
mount -t proc proc ${root}/proc
mount -t tmpfs -o mode=1777 tmpfs ${root}${site.folder.path}/data
mount -o remount,bind,ro ${root}
exec chroot ${root} /postern serve -c ${site.folder.at("postern.yaml")}`;
    const answers = await serves(site, ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", script], {
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    });
    assertMatch(answers.nobody, /^550 5\.1\.1 No bonjour here/);
    assertMatch(answers.apart, /^550 5\.7\.1 NotCapable/);
  },
);

Deno.test("no target without its Deno, no permission that Deno does not know, and what the bundler said of a bad module", async () => {
  await using folder = await TempFolder.make();
  const other = Deno.build.arch === "x86_64" ? "aarch64-unknown-linux-gnu" : "x86_64-unknown-linux-gnu";
  await folder.file("postern.yaml", "plugins: [./missing.ts, inbox]\n");
  const rows: [string[], number, RegExp][] = [
    [["--target", other], 1, new RegExp(`^postern: there is no Deno for ${other} here: name one with --deno FILE`)],
    [["--target", "windows"], 2, /^postern: .*windows/],
    [["--target", other, "--deno", Deno.execPath()], 1, /is for \S+, not for /],
    [["--deno", "/etc/hostname"], 1, /^postern: \/etc\/hostname is no program, not for /],
    [["--allow", "everything"], 2, /^postern: --allow everything is no permission of Deno/],
    [["-c", "postern.yaml"], 1, /^postern: cannot bundle: .*missing\.ts/],
    [["-c", "nothing.yaml"], 1, /^postern: cannot read .*nothing\.yaml/],
  ];
  for (const [args, code, says] of rows) {
    const said = await build(folder.path, ...args);
    assertEquals([said.code, said.out], [code, ""], `${args}: ${said.err}`);
    assertMatch(said.err, says);
  }
  assertEquals(
    [...Deno.readDirSync(folder.path)].map(({ name }) => name).filter((name) => name.startsWith("postern.yaml")).length,
    1,
  );
  const left = await Array.fromAsync(Deno.readDir(folder.at("dist"))).catch(() => []);
  assertEquals(left, [], "nothing half made is left");
});
