import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { OptionsError } from "postern";
import { newId } from "../../../../../core/model/id.ts";
import { maildir } from "../../../../../plugins/storage/maildir/mod.ts";
import { attempt } from "../queue_phase.ts";
import { TempFolder } from "../../../../support/temp.ts";

const ID = newId(Date.UTC(2026, 0, 1));
const MESSAGE = "Subject: hi\r\n\r\nhello\r\n";
const FILE = "Return-Path: <a@example.net>\nDelivered-To: joe@example.org\nSubject: hi\n\nhello\n";

async function inFolder(test: (root: string) => Promise<void>): Promise<void> {
  await using temp = await TempFolder.make();
  const root = temp.path;
  await test(root);
}

/** Paths of all files below the folder, without the folder's. */
async function files(folder: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(`${folder}${below}`)) {
    const path = `${below}/${entry.name}`;
    found.push(...entry.isDirectory ? await files(folder, path) : [path]);
  }
  return found.sort();
}

Deno.test("maildir: a file in new, with LF, its sizes in its name, private, and nothing in tmp", () =>
  inFolder(async (root) => {
    const { reply, results } = await attempt(maildir({ root }), { id: ID, to: ["Joe@example.org"], message: MESSAGE });
    assertEquals([reply.verdict, ...results], ["accept", "stored"]);
    const [path, ...more] = await files(root);
    assertEquals(more, []);
    const file = FILE.replace("joe@", "Joe@"); // the case is kept, but the mailbox is one
    const [, seconds, id, sizes] = /^\/example\.org\/joe\/Maildir\/new\/(\d+)\.(\w+)_\w+\.mx\.example\.org,(.*)$/
      .exec(path!)!;
    const lines = file.split("\n").length - 1;
    const expected = [String(Date.UTC(2026, 0, 1) / 1000), ID, `S=${file.length},W=${file.length + lines}`];
    assertEquals([seconds, id, sizes], expected);
    assertEquals(await Deno.readTextFile(root + path), file);
    const modes = [];
    for (const part of ["", "/example.org", "/example.org/joe/Maildir/cur", path!]) {
      modes.push((await Deno.stat(root + part)).mode! & 0o777);
    }
    assertEquals(modes, [0o700, 0o700, 0o700, 0o600]);
  }));

Deno.test("maildir: other permissions hold whatever the umask is", () =>
  inFolder(async (root) => {
    await attempt(maildir({ root, folderMode: "0770", fileMode: "660" }), { to: ["joe@example.org"] });
    const [path] = await files(root);
    assertEquals((await Deno.stat(root + path)).mode! & 0o777, 0o660);
    assertEquals((await Deno.stat(`${root}/example.org/joe/Maildir/new`)).mode! & 0o777, 0o770);
  }));

Deno.test("maildir: a second attempt does not double, whether the copy is new, read, or moved to cur", () =>
  inFolder(async (root) => {
    const plugin = maildir({ root });
    await attempt(plugin, { id: ID, to: ["jane@example.org", "joe@example.org"] });
    const before = await files(root);
    assertEquals(before.length, 2);
    const again = await attempt(plugin, { id: ID, tries: 1, to: ["joe@example.org"] });
    assertEquals(again.results, ["stored"]);
    assertEquals(await files(root), before);

    const path = before.find((each) => each.includes("/joe/"))!;
    const seen = path.replace("/new/", "/cur/") + ":2,S";
    await Deno.rename(root + path, root + seen);
    assertEquals((await attempt(maildir({ root }), { id: ID, tries: 2, to: ["joe@example.org"] })).results, ["stored"]);
    assertEquals((await files(root)).length, 2);

    await Deno.remove(root + seen);
    assertEquals((await attempt(plugin, { id: ID, tries: 3, to: ["joe@example.org"] })).results, ["stored"]);
    assertEquals(await files(root), before, "what is gone is written again, under the same name");
    await attempt(plugin, { tries: 1, to: ["joe@example.org"] });
    assertEquals((await files(root)).length, 3, "another message is another file");
  }));

Deno.test("maildir: what an attempt left in tmp is no obstacle", () =>
  inFolder(async (root) => {
    const plugin = maildir({ root });
    await attempt(plugin, { id: ID, to: ["joe@example.org"] });
    const [path] = await files(root);
    await Deno.rename(root + path, root + path!.replace("/new/", "/tmp/"));
    assertEquals((await attempt(plugin, { id: ID, tries: 1, to: ["joe@example.org"] })).results, ["stored"]);
    assertEquals(await files(root), [path!, path!.replace("/new/", "/tmp/")].sort());
  }));

Deno.test("maildir: one address named twice is one file", () =>
  inFolder(async (root) => {
    // Two recipients all the same: each has the ORCPT of its own alias (SEMANTICS 15).
    const to = [["joe@example.org", "maildir", "rfc822;a@x"], ["JOE@example.org", "maildir", "rfc822;b@x"]] as const;
    const { results } = await attempt(maildir({ root }), { to });
    assertEquals(results, ["stored", "stored"]);
    assertEquals((await files(root)).length, 1);
  }));

Deno.test("maildir: only recipients whose route names it", () =>
  inFolder(async (root) => {
    const { results } = await attempt(maildir({ root }), { to: [["joe@example.org", "inbox"]] });
    assertEquals(results, ["queued"]);
    assertEquals(await files(root), []);
    const other = maildir.parse({ root }, [], { name: "archive" });
    await attempt(other, { to: [["a@example.org", "maildir"], ["b@example.org", "archive"]] });
    assertEquals((await files(root)).map((path) => path.split("/")[2]), ["b"]);
  }));

Deno.test("maildir: hostile local parts stay below the root", () =>
  inFolder(async (root) => {
    const root2 = `${root}/deep/mail`;
    const hostile = ['".."', '"../../../escape"', '"/etc/x"', '"."', "%2e%2e", '".. "', '"a/../../b"'];
    const { results } = await attempt(maildir({ root: root2 }), { to: hostile.map((local) => `${local}@example.org`) });
    assertEquals(new Set(results), new Set(["stored"]));
    assertEquals((await files(root)).length, hostile.length);
    for (const path of await files(root)) {
      assert(/^\/deep\/mail\/example\.org\/[^/]+\/Maildir\/new\/[^/]+$/.test(path), path);
    }
  }));

Deno.test("case 53: the same Delivered-To is a loop, another one is not", () =>
  inFolder(async (root) => {
    const message = "Delivered-To: other@example.org\r\ndelivered-to: JOE@example.org\r\n\r\nx\r\n";
    const { results } = await attempt(maildir({ root }), { to: ["joe@example.org", "jane@example.org"], message });
    assertEquals(results, ["550 5.4.6", "stored"]);
    const alone = await attempt(maildir({ root }), { to: ["joe@example.org"], message });
    assertEquals([alone.reply.code, alone.reply.status], [550, "5.4.6"]);
  }));

Deno.test("case 71: one mailbox that cannot be written does not hurt the others", () =>
  inFolder(async (root) => {
    await Deno.mkdir(`${root}/example.org`);
    await Deno.writeTextFile(`${root}/example.org/joe`, "a file where a folder should be");
    const { reply, results } = await attempt(maildir({ root }), { to: ["joe@example.org", "jane@example.org"] });
    assertEquals(reply.verdict, "accept");
    assertEquals(results, ["451 4.2.0", "stored"]);
  }));

Deno.test("case 71: nobody can be stored: the sender is asked to come again", () =>
  inFolder(async (root) => {
    await Deno.writeTextFile(`${root}/mail`, "the root is a file");
    const { reply, results } = await attempt(maildir({ root: `${root}/mail` }), { to: ["joe@example.org"] });
    assertEquals([reply.code, reply.status, ...results], [451, "4.2.0", "451 4.2.0"]);
    assert(!reply.text.includes(root), "a peer sees no paths");
  }));

Deno.test("maildir: a mailbox removed under us is made again, one repaired works again", () =>
  inFolder(async (root) => {
    const plugin = maildir({ root });
    const to = ["joe@example.org"];
    assertEquals((await attempt(plugin, { to })).results, ["stored"]);
    await Deno.remove(`${root}/example.org`, { recursive: true });
    assertEquals((await attempt(plugin, { to })).results, ["stored"]);
    await Deno.remove(`${root}/example.org/joe`, { recursive: true });
    await Deno.writeTextFile(`${root}/example.org/joe`, "");
    assertEquals((await attempt(plugin, { to })).results, ["451 4.2.0"]);
    await Deno.remove(`${root}/example.org/joe`);
    assertEquals((await attempt(plugin, { to })).results, ["stored"]);
  }));

Deno.test("maildir: many recipients and messages at once", () =>
  inFolder(async (root) => {
    const plugin = maildir({ root, concurrency: 3 });
    const to = Array.from({ length: 20 }, (_, index) => `user${index}@example.org`);
    const all = await Promise.all(Array.from({ length: 5 }, () => attempt(plugin, { to })));
    assertEquals(new Set(all.flatMap(({ results }) => results)), new Set(["stored"]));
    assertEquals((await files(root)).length, 100);
  }));

Deno.test("property: what was received is in the file, with LF for CRLF", () =>
  inFolder(async (root) => {
    const piece = fc.constantFrom("\r\n", "\r", "\n", ".", "\0", "x", "\xff", "\r\n.\r\n");
    const body = fc.array(piece, { maxLength: 40 }).map((parts) => parts.join(""));
    await fc.assert(
      fc.asyncProperty(body, async (text) => {
        const message = Uint8Array.from(`Subject: hi\r\n\r\n${text}`, (char) => char.charCodeAt(0));
        const id = newId(0);
        await attempt(maildir({ root }), { id, to: ["joe@example.org"], message });
        const path = (await files(root)).find((each) => each.includes(id))!;
        const octets = await Deno.readFile(root + path);
        const head = "Return-Path: <a@example.net>\nDelivered-To: joe@example.org\n";
        assertEquals(String.fromCharCode(...octets), `${head}Subject: hi\n\n${text.replaceAll("\r\n", "\n")}`);
        assert(path.includes(`,S=${octets.length},`));
      }),
      { numRuns: 30 },
    );
  }));

Deno.test("maildir: bad options are told with their path", () => {
  const table: [options: Record<string, unknown>, path: string][] = [
    [{}, "root"],
    [{ root: "" }, "root"],
    [{ root: "x", layout: "../{local}" }, "layout"],
    [{ root: "x", fileMode: "999" }, "fileMode"],
    [{ root: "x", folderMode: 700 }, "folderMode"],
    [{ root: "x", concurrency: 0 }, "concurrency"],
    [{ root: "x", quota: 1 }, ""],
  ];
  for (const [options, path] of table) {
    const error = assertThrows(() => maildir.parse(options, ["maildir"]), OptionsError);
    assertEquals(error.issues[0]!.path.join("."), path === "" ? "maildir" : `maildir.${path}`, JSON.stringify(options));
  }
});
