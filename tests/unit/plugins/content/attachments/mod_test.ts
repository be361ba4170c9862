/** The attachments plugin: what each rule finds, what each action does, archives made to hurt. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { runPhase, type SimulatedResult } from "../../../../../core/pipeline/mod.ts";
import { ATTACHMENTS, attachments, type Finding } from "../../../../../plugins/content/attachments/mod.ts";
import { Inspection } from "../../../../../plugins/content/attachments/inspection.ts";
import { Inspector } from "../../../../../plugins/content/attachments/inspector.ts";
import { deniedBy, disguiseOf } from "../../../../../plugins/content/attachments/names.ts";
import { gzipped, tarred, type ZipFile, zipped } from "../../../../support/archive.ts";
import { join, mail, octets } from "../../../../support/bytes.ts";
import { programOf, testUnless } from "../../../../support/debian.ts";

type Octets = Uint8Array<ArrayBuffer>;
type Options = Parameters<typeof attachments>[0];

const PROGRAM = join(octets("MZ\x90\0\x03"), new Uint8Array(55), octets("\x40\0\0\0PE\0\0"), new Uint8Array(200));
const CIPHER = octets("nothing but noise");

/** A message with text and one file. */
function withFile(data: Octets, name = "a.bin", type = "application/octet-stream"): Octets {
  return mail(
    `From: a@example.net\nContent-Type: multipart/mixed; boundary=frontier\n\n--frontier\n\nHello\n--frontier\n` +
      `Content-Type: ${type}\nContent-Disposition: attachment; filename*=utf-8''${encodeURIComponent(name)}\n` +
      `Content-Transfer-Encoding: base64\n\n${data.toBase64().replace(/.{76}/g, "$&\n")}\n--frontier--\n`,
  );
}
const judge = async (message: Octets, options: Options = {}, more = {}): Promise<SimulatedResult> =>
  await runPhase(attachments(options), "data", { message, ...more });
/** All rules speak, none refuses. */
const ALL = Object.fromEntries(
  ("executable name type disguise mismatch script macros pdfScript encrypted opaque broken limits count size depth " +
    "ambiguous").split(" ").map((rule) => [rule, "score"]),
) as Options;
async function found(data: Octets, name?: string, options: Options = {}, type?: string): Promise<string[]> {
  const result = await judge(withFile(data, name, type), { ...ALL, ...options });
  assertEquals(result.reply.code, 250);
  return (result.get(ATTACHMENTS) ?? []).map(({ rule, where, what }: Finding) => `${rule} ${where}: ${what}`);
}

Deno.test("content tells what a file is, whatever it is called", async () => {
  const table: readonly [data: Octets, found: readonly string[], type?: string][] = [
    [octets("hello"), []],
    [octets("MZ is how this text begins, and it goes on for a while, so that it has more than a header's length."), []],
    [PROGRAM, ["executable a.bin: pe"]],
    [octets("\x7fELF\x02\x01\x01\0"), ["executable a.bin: elf"]],
    [octets("\xcf\xfa\xed\xfe\x07\0\0\x01"), ["executable a.bin: macho"]],
    [octets("\xca\xfe\xba\xbe\0\0\0\x34"), ["executable a.bin: java"]],
    [octets("L\0\0\0\x01\x14\x02\0\0\0\0\0"), ["executable a.bin: shortcut"]],
    [octets("#!/bin/sh\n"), ["script a.bin: script"]],
    [octets("\r\n@ECHO OFF\r\n"), ["script a.bin: script"]],
    [octets("Rar!\x1a\x07\0\xcf\x90\x73\0\0\x0d\0"), ["opaque a.bin: rar"]],
    [octets("Rar!\x1a\x07\0\xce\x99\x73\x80\0\x0d\0"), ["opaque a.bin: rar", "encrypted a.bin: rar"]],
    [octets("Rar!\x1a\x07\x01\0\x11\x22\x33\x44\x21\x04\0"), ["opaque a.bin: rar", "encrypted a.bin: rar"]],
    [octets("7z\xbc\xaf\x27\x1c\0\x04"), ["opaque a.bin: 7z"]],
    [octets("MSCF\0\0\0\0"), ["opaque a.bin: cab"]],
    [join(new Uint8Array(32_768), octets("\x01CD001\x01"), new Uint8Array(100)), ["opaque a.bin: iso"]],
    [octets("%PDF-1.7\n<< /S /JavaScript /JS (app.alert) >>"), ["pdfScript a.bin: pdf"]],
    [octets("%PDF-1.7\n<< /S /J#61vaScript >>"), ["pdfScript a.bin: pdf"]],
    [octets("%PDF-1.7\n<< /Type /Catalog >>"), []],
    [octets("%PDF-1.7\ntrailer << /Encrypt 5 0 R >>"), ["encrypted a.bin: pdf"]],
    [
      join(
        octets("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        new Uint8Array(9000),
        octets("_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0T\0"),
      ),
      [
        "macros a.bin: ole",
      ],
    ],
    [join(octets("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), octets([..."EncryptedPackage"].join("\0") + "\0")), [
      "encrypted a.bin: ole",
    ]],
    [PROGRAM, ["executable a.bin: pe", "mismatch a.bin: pe as image/png"], "image/png"],
    [octets("%PDF-1.7"), ["mismatch a.bin: pdf as image/png"], "image/png"],
    [octets("\x89PNG\r\n\x1a\n"), [], "image/png"],
  ];
  for (const [data, expected, type] of table) assertEquals(await found(data, "a.bin", {}, type), expected);
});

Deno.test("names that run, and names made to look like others", () => {
  const denied = new Set(["exe", "js", "iso"]);
  const table: readonly [name: string, denied: string | null, disguise: string | null][] = [
    ["a.txt", null, null],
    ["exe", null, null],
    ["a.EXE", "exe", null],
    ["a.exe.", "exe", null],
    ["a.exe . .", "exe", null],
    ["a.exe:b.txt", "exe", null],
    ["C:\\x\\a.exe", "exe", null],
    ["a.exe/b.txt", null, null],
    ["a.txt.exe", "exe", ".txt.exe"],
    ["a.exe.txt", null, null],
    ["a.pdf          .exe", "exe", "a row of spaces"],
    ["a\u202etxt.exe", "exe", "characters that turn the direction of reading"],
    ["a.e\u200bxe", "exe", null],
    ["a\n.exe", "exe", "control characters"],
    [`${"a.".repeat(50_000)}exe`, "exe", null],
  ];
  for (const [name, extension, disguise] of table) {
    assertEquals(deniedBy(name, denied), extension, name.slice(0, 40));
    assertEquals(disguiseOf(name, denied), disguise, name.slice(0, 40));
  }
});

Deno.test("archives: files in them are judged by content and name, archives in archives too", async () => {
  const table: readonly [data: Octets, name: string, found: readonly string[]][] = [
    [await zipped([{ name: "a.txt" }, { name: "b/" }]), "x.zip", []],
    [await zipped([{ name: "a.txt" }, { name: "b.exe" }]), "x.zip", ["name x.zip > b.exe: .exe"]],
    [await zipped([{ name: "a.txt", data: PROGRAM }]), "x.zip", ["executable x.zip > a.txt: pe"]],
    [await zipped([{ name: "a.txt", data: PROGRAM, method: 0 }]), "x.zip", ["executable x.zip > a.txt: pe"]],
    [await zipped([{ name: "a.txt", data: PROGRAM, flags: 8 }]), "x.zip", ["executable x.zip > a.txt: pe"]],
    [await zipped([{ name: "a.txt", data: CIPHER, flags: 1 }]), "x.zip", ["encrypted x.zip: a.txt"]],
    [await zipped([{ name: "a.txt", data: CIPHER, method: 14 }]), "x.zip", ["opaque x.zip: method 14"]],
    [
      await zipped([{ name: "word/vbaProject.bin" }, { name: "[Content_Types].xml" }]),
      "x.docm",
      ["macros x.docm: vba"],
    ],
    [
      await zipped([{ name: "y.zip", data: await zipped([{ name: "b.js" }]) }]),
      "x.zip",
      ["name x.zip > y.zip > b.js: .js"],
    ],
    [await zipped([{ name: "y.zip", data: await zipped([{ name: "b.js" }]), method: 0 }]), "x.zip", [
      "name x.zip > b.js: .js",
    ]],
    [join(octets("some words in front"), await zipped([{ name: "b.js" }])), "x.zip", ["name x.zip > b.js: .js"]],
    [await zipped([{ name: "a.txt" }], ["b.js"]), "x.zip", [
      "name x.zip > b.js: .js",
      "broken x.zip: a directory of other files",
    ]],
    [await zipped([{ name: "a.txt" }], null), "x.zip", ["broken x.zip: no directory"]],
    [tarred([{ name: "a.txt", data: octets("x") }, { name: "b.exe", data: PROGRAM }]), "x.tar", [
      "name x.tar > b.exe: .exe",
      "executable x.tar > b.exe: pe",
    ]],
    [
      tarred([
        { name: "././@LongLink", data: octets(`${"d/".repeat(80)}b.js\0`), kind: "L" },
        { name: "d", data: octets("x") },
      ]),
      "x.tar",
      [`name x.tar > ${"d/".repeat(20)}.../d/d/d/d/d/d/b.js: .js`],
    ],
    [
      tarred([{ name: "x", data: octets("16 path=hid.js\n"), kind: "x" }, { name: "d", data: octets("x") }]),
      "x.tar",
      ["name x.tar > hid.js: .js"],
    ],
    [await gzipped(PROGRAM), "b.exe.gz", ["name b.exe.gz > b.exe: .exe", "executable b.exe.gz > b.exe: pe"]],
    [await gzipped(tarred([{ name: "b.js", data: octets("x") }])), "x.tar.gz", ["name x.tar.gz > x.tar > b.js: .js"]],
    [join(octets("\x1f\x8b\x08\x08\0\0\0\0\0\x03b.js\0"), (await gzipped(octets("x"))).subarray(10)), "x.gz", [
      "name x.gz > b.js: .js",
    ]],
  ];
  for (const [data, name, expected] of table) {
    assertEquals(
      (await found(data, name)).map((each) => each.replace(/(?<=> ).*(?=\.\.\.)/, (all) => all)),
      expected,
      name,
    );
  }
});

Deno.test("case 34: bombs, archives in themselves and sizes that lie end at the limits", async () => {
  const bomb = new Uint8Array(20 * 1024 * 1024);
  let nest = await zipped([{ name: "0.txt", data: bomb }]);
  for (let level = 0; level < 6; level++) { // as 42.zip: each holds four of the one before
    nest = await zipped(Array.from({ length: 4 }, (_, at): ZipFile => ({ name: `lib ${at}.zip`, data: nest })));
  }
  const many = await zipped(Array.from({ length: 300 }, (_, at): ZipFile => ({ name: `${at}.txt` })));
  const table: readonly [data: Octets, name: string, options: Options, found: string][] = [
    [nest, "42.zip", {}, "more than 3 archives in each other"],
    [
      await zipped([{ name: "a.txt", data: bomb }]),
      "x.zip",
      {},
      "says that it unpacks to more than 200 times its size",
    ],
    [
      await zipped([{ name: "a.txt", data: bomb }]),
      "x.zip",
      { archives: { size: "1MiB" } },
      "more than 1048576 octets",
    ],
    [ // it says nothing of its size
      await zipped([{ name: "y.zip", data: join(await zipped([{ name: "b" }]), bomb), claims: { unpacked: 1 } }]),
      "x.zip",
      { archives: { size: "1MiB" } },
      "more than 1048576 octets unpacked",
    ],
    [
      await gzipped(join(await zipped([{ name: "b" }]), bomb)),
      "x.gz",
      { archives: { size: "1MiB" } },
      "1048576 octets unpacked",
    ],
    [many, "x.zip", { archives: { entries: 100 } }, "more than 100 files"],
    [
      await zipped([{ name: "a.txt", zip64: { packed: 1n << 60n, unpacked: (1n << 64n) - 1n } }]),
      "x.zip",
      {},
      "says that it unpacks to more than 134217728 octets",
    ],
  ];
  for (const [data, name, options, expected] of table) {
    const result = await judge(withFile(data, name), options);
    assertEquals(String(result.reply), "250 2.0.0 OK", name);
    assertStringIncludes(result.held ?? "not held", expected);
    assertStringIncludes(result.held!, "limits: an archive beyond the limits");
  }
  // Lengths of a header that lie hide nothing behind it
  for (const claims of [{ packed: 0 }, { packed: 1e6 }, { packed: 0xffffffff, unpacked: 0xffffffff }]) {
    const data = await zipped([{ name: "a.txt", claims }, { name: "b.exe" }], ["a.txt", "a.txt"]);
    assert((await found(data, "x.zip")).includes("name x.zip > b.exe: .exe"));
  }
});

Deno.test("case 34: headers made to hurt cost no more than their octets", () => {
  const local = "PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0a";
  for (const piece of ["P", "PK", "PK\x03\x04", "PK\x01\x02", "PPK\x03", local, "PK\x03\x04\x14\0\0\0\x08\0"]) {
    const inspection = new Inspection({
      extensions: new Set(),
      archives: { depth: 3, entries: 10_000, size: 1e6, ratio: 200 },
    });
    const inspector = new Inspector(inspection, { part: "1", names: ["x.zip"], type: null, around: [] });
    const data = octets(piece.repeat(4e6 / piece.length)), before = performance.now();
    inspector.write(data);
    inspector.end();
    assert(performance.now() - before < 10_000, piece);
  }
});

Deno.test("case 34: octets that come one by one, and headers cut in two, cost no more than others", () => {
  const inspector = (name: string) =>
    new Inspector(
      new Inspection({ extensions: new Set(), archives: { depth: 3, entries: 10_000, size: 1e6, ratio: 200 } }),
      { part: "1", names: [name], type: null, around: [] },
    );
  const before = performance.now(), one = octets("-");
  for (let file = 0; file < 2000; file++) {
    const looks = inspector("a.bin");
    for (let at = 0; at < 4096; at++) looks.write(one);
    looks.end();
  }
  const lists = inspector("x.zip"), headers = octets("PK\x03\x04".repeat(16_000));
  for (let times = 0; times < 700; times++) lists.write(headers);
  lists.end();
  assert(performance.now() - before < 15_000);
});

Deno.test("case 34: who unpacks lets others have their turn, and stops when the time is over", async () => {
  const inspection = new Inspection({
    extensions: new Set(),
    archives: { depth: 3, entries: 100, size: 1e9, ratio: 200 },
  });
  const inspector = new Inspector(inspection, { part: "1", names: ["x.gz"], type: null, around: [] });
  inspector.write(await gzipped(join(octets("%PDF-1.7"), new Uint8Array(100 * 1024 * 1024))));
  inspector.end();
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error("the time is over")));
  await assertRejects(() => inspection.work(stop.signal), Error, "the time is over");
  await inspection.close();
});

Deno.test("any cut of the same octets has the same findings", async () => {
  const data = await zipped([
    { name: "a.txt", data: PROGRAM },
    { name: "y.zip", data: await zipped([{ name: "b.js" }]) },
    { name: "z.tar", data: tarred([{ name: "c.vbs", data: PROGRAM }]), method: 0 },
    { name: "d.gz", data: await gzipped(PROGRAM), flags: 8 },
  ]);
  const inspect = async (cuts: readonly number[]) => {
    const inspection = new Inspection({
      extensions: new Set(["js", "vbs"]),
      archives: { depth: 3, entries: 100, size: 1e6, ratio: 200 },
    });
    const inspector = new Inspector(inspection, { part: "1", names: ["x.zip"], type: null, around: [] });
    const places = [...new Set(cuts.map((cut) => cut % data.length))].sort((a, b) => a - b);
    for (const [index, from] of [0, ...places].entries()) {
      inspector.write(data.slice(from, places[index] ?? data.length));
      await inspection.work(AbortSignal.timeout(60_000));
    }
    inspector.end();
    await inspection.work(AbortSignal.timeout(60_000));
    return inspection.findings.map(({ rule, where }) => `${rule} ${where}`).sort();
  };
  const whole = await inspect([]);
  assertEquals(whole, [
    "executable x.zip > a.txt",
    "executable x.zip > d.gz > d",
    "executable x.zip > z.tar > c.vbs",
    "name x.zip > y.zip > b.js",
    "name x.zip > z.tar > c.vbs",
  ]);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(5000), { maxLength: 30 }),
      async (cuts) => assertEquals(await inspect(cuts), whole),
    ),
    { numRuns: 60 },
  );
});

Deno.test("what each action does", async () => {
  const message = withFile(PROGRAM, "b.bin");
  const refused = await judge(message);
  assertEquals(String(refused.reply), "550 5.7.1 Attachment refused: a program, by its content (b.bin: pe)");
  const held = await judge(message, { executable: "hold" });
  assertEquals(held.held, "attachments: executable: a program, by its content (b.bin: pe)");
  const scored = await judge(message, { executable: "score", points: { executable: 3 } });
  assertEquals(scored.scores, [{
    points: 3,
    reason: "attachments: executable: a program, by its content (b.bin: pe)",
  }]);
  const ignored = await judge(message, { executable: "ignore" });
  assertEquals([ignored.scores, ignored.held, ignored.get(ATTACHMENTS)], [[], null, []]);

  const dropped = await judge(message, { executable: "drop" });
  const text = new TextDecoder().decode(message);
  const start = text.indexOf("Content-Type: application/octet-stream"), end = text.lastIndexOf("\r\n--frontier--");
  assertEquals(
    dropped.output,
    text.slice(0, start) +
      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n" +
      "Content-Disposition: inline\r\n\r\nA part of this message was removed on its way: executable: a program, by it=\r\n" +
      "s content (b.bin: pe)" + text.slice(end),
  );
  assertEquals(dropped.events.filter(({ type }) => type === "rewritten").length, 1);
});

Deno.test("a message that is nothing but the file becomes a text; what is signed is held and not changed", async () => {
  const only = mail(
    `Subject: x\nContent-Type: application/x-foo\nContent-Transfer-Encoding: base64\nContent-ID: <a@b>\n\n${PROGRAM.toBase64()}\n`,
  );
  const { output } = await judge(only, { executable: "drop" });
  assertEquals(
    output,
    new TextDecoder().decode(mail(
      "MIME-Version: 1.0\nSubject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n" +
        "A part of this message was removed on its way: executable: a program, by it=\ns content (pe)\n",
    )).replace("(pe)", "(unnamed: pe)"),
  );
  const signed = mail(
    `Content-Type: multipart/signed; boundary=s\n\n--s\nContent-Transfer-Encoding: base64\n\n${PROGRAM.toBase64()}\n` +
      "--s\nContent-Type: application/pgp-signature\n\nx\n--s--\n",
  );
  const result = await judge(signed, { executable: "drop" });
  assertStringIncludes(result.held!, "executable");
  assertEquals(result.output, new TextDecoder().decode(signed));
});

Deno.test("the message as a whole: how many, how large, how deep, of which type, understood in one way", async () => {
  const three = mail(
    "Content-Type: multipart/mixed; boundary=a\n\n" +
      "--a\nContent-Disposition: attachment\nContent-Type: audio/mp3\n\nxxxx\n".repeat(3) + "--a--\n",
  );
  const text = async (options: Options, message = three) => String((await judge(message, options)).reply);
  assertEquals(await text({}), "250 2.0.0 OK");
  assertStringIncludes(await text({ attachments: 2 }), "more attachments than are taken (3 files)");
  assertStringIncludes(await text({ largest: "3B" }), "an attachment larger than is taken (4 octets)");
  assertStringIncludes(await text({ types: ["audio/*"] }), "a type that is not wanted (audio/mp3)");
  assertStringIncludes(await text({ types: ["audio/mp3"] }), "a type that is not wanted (audio/mp3)");
  assertEquals(await text({ types: ["audio/mp4", "video/*"] }), "250 2.0.0 OK");
  const deep = mail("Content-Type: message/rfc822\n\n".repeat(5) + "\nx");
  assertStringIncludes(await text({ levels: 4 }, deep), "parts in parts, deeper than is taken (5 levels)");
  assertStringIncludes(
    await text({ levels: 100 }, mail("Content-Type: message/rfc822\n\n".repeat(500) + "\nx")),
    "deeper than is read",
  );
  const twice = mail("Content-Type: text/plain\nContent-Type: text/html\n\nx");
  assertStringIncludes(
    await text({ ambiguous: "reject" }, twice),
    "parts that two programs read in two ways (duplicateField)",
  );
});

Deno.test("mail to postmaster is never stopped; clients that have logged in are judged where the operator says so", async () => {
  const message = withFile(PROGRAM);
  assertEquals((await judge(message, {}, { to: "Postmaster@example.org" })).reply.code, 250);
  assertEquals((await judge(message, { executable: "hold" }, { to: "postmaster@example.org" })).held, null);
  assertEquals((await judge(message, {}, { identity: "ann" })).reply.code, 250);
  assertEquals((await judge(message, { logins: true }, { identity: "ann" })).reply.code, 550);
});

const MAKE = `
import sys, io, zipfile, tarfile, gzip, base64
def put(name, data): print(name, base64.b64encode(data).decode())
exe = base64.b64decode(sys.argv[1])
for kind, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        z.writestr("docs/readme.txt", "hello " * 100)
        z.writestr("docs/\u4f60.dat", exe)
    put(kind + ".zip", out.getvalue())
class Pipe(io.RawIOBase):
    def __init__(self): self.data = b""
    def writable(self): return True
    def write(self, b): self.data += bytes(b); return len(b)
pipe = Pipe()
with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as z: # sizes behind the data
    z.writestr("docs/readme.txt", "hello " * 100)
    z.writestr("docs/\u4f60.dat", exe)
put("streamed.zip", pipe.data)
for mode, form in (("gz", tarfile.PAX_FORMAT), ("gz", tarfile.GNU_FORMAT), ("", tarfile.USTAR_FORMAT)):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:" + mode, format=form) as t:
        for name, data in (("docs/readme.txt", b"hello"), ("d" * 90 + "/" + "e" * 80 + "/x.dat", exe)):
            info = tarfile.TarInfo(name); info.size = len(data); t.addfile(info, io.BytesIO(data))
    put("x.tar" + ("." + mode if mode else ""), out.getvalue())
`;

testUnless(
  programOf("python3") === null ? "python3: apt-get install python3" : null,
  "archives that Python made are listed: stored, deflated, streamed, tar in three formats",
  async () => {
    const { stdout, stderr } = await new Deno.Command(programOf("python3")!, {
      args: ["-c", MAKE, PROGRAM.toBase64()],
      env: { PYTHONIOENCODING: "utf-8" },
    }).output();
    const lines = new TextDecoder().decode(stdout).trim().split("\n");
    assertEquals(lines.length, 6, new TextDecoder().decode(stderr));
    for (const line of lines) {
      const [name, data] = line.split(" ") as [string, string];
      const findings = await found(Uint8Array.fromBase64(data), name);
      assertEquals(findings.length, 1, `${name}: ${findings}`);
      assertStringIncludes(findings[0]!, `executable ${name} > `);
      assertStringIncludes(findings[0]!, ".dat: pe");
    }
  },
);
