/** A backup of a data folder that is in use, whether it is whole, and what it brings back. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { type BackupOptions, type Made, makeBackup } from "../../../../cli/backup/make.ts";
import { restoreBackup, type RestoreOptions } from "../../../../cli/backup/restore.ts";
import { verifyBackup, verifyFolder } from "../../../../cli/backup/verify.ts";
import { openSqliteStore } from "../../../../core/store/sqlite.ts";
import { type Store, StoreError } from "../../../../core/store/store.ts";
import { TempFolder } from "../../../support/temp.ts";
import { body, deposit, message, octets, put, read, recipient } from "../../store/messages.ts";

const BIG = octets(400_000, 7), SMALL = octets(300, 3);

class Site implements AsyncDisposable {
  private constructor(readonly folder: TempFolder, readonly store: Store) {}

  static async make(): Promise<Site> {
    const folder = await TempFolder.make();
    return new Site(folder, await openSqliteStore({ folder: folder.at("data") }));
  }
  get data(): string {
    return this.folder.at("data");
  }
  backup(name: string, more: Partial<BackupOptions> = {}): Promise<Made> {
    return makeBackup(this.folder.at(name), { data: this.data, store: "sqlite", ...more });
  }
  async restore(name: string, data: string, more: Partial<RestoreOptions> = {}): Promise<number> {
    const { manifest, faults } = await verifyBackup(this.folder.at(name));
    assertEquals(faults.told, []);
    return await restoreBackup(this.folder.at(name), manifest!, { data: this.folder.at(data), ...more });
  }
  /** What of a store is the same wherever it lies. */
  async of(store: Store): Promise<unknown> {
    const { items } = await store.queue({});
    const inboxes = await store.inboxes.list({});
    const ids = [...new Set([...items.map((each) => each.message.id), ...inboxes.messages.map(({ id }) => id)])].sort();
    const bodies = await Array.fromAsync(
      ids,
      async (id) => [await read(await store.content(id)), await read(await store.received(id))],
    );
    return { items, inboxes, bodies, quarantine: await store.quarantine.total() };
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    await this.folder[Symbol.asyncDispose]();
  }
}

async function fill({ store, data }: Site): Promise<void> {
  await put(store, { recipients: [recipient("a@x.example", { state: "held", lastReply: "odd" })] }, SMALL);
  await put(store, { recipients: [recipient("b@x.example", { state: "deferred", nextAttempt: 9e14 })] }, BIG);
  await put(store, { deposits: [deposit("box")] }, BIG);
  const sent = message({ recipients: [recipient("c@x.example", { state: "held" })] });
  const received = await body(store, sent.id, BIG);
  await store.commit(sent, await body(store, sent.id, SMALL), { received, expires: 9e14 });
  await Deno.mkdir(`${data}/tls`, { mode: 0o700 });
  await Deno.writeTextFile(`${data}/tls/key.pem`, "secret", { mode: 0o600 });
  await Deno.mkdir(`${data}/recordings/empty`, { recursive: true });
  await Deno.writeTextFile(`${data}/recordings/one.jsonl`, "recorded", { mode: 0o640 });
  await Deno.mkdir(`${data}/maildrop`);
  await Deno.chmod(`${data}/maildrop`, 0o1733);
  await Deno.writeTextFile(`${data}/maildrop/tmp-1`, "half");
  await Deno.writeTextFile(`${data}/maildrop/1`, "dropped", { mode: 0o644 });
  const hooks = new DatabaseSync(`${data}/webhooks.db`);
  hooks.exec(
    "pragma journal_mode = wal; create table event (seq integer primary key, body text) strict; insert into event values (1, 'x')",
  );
  hooks.close();
}
const modeOf = (path: string) => Deno.statSync(path).mode! & 0o7777;

Deno.test("backup and restore: what is queued, kept and configured comes back, its modes with it", async () => {
  await using site = await Site.make();
  await fill(site);
  const held = new DatabaseSync(`${site.data}/webhooks.db`); // its log is not empty: in use
  held.exec("insert into event values (2, 'y')");
  const made = await site.backup("backup");
  assertEquals([made.linked, made.delivered, made.damaged], [3, 0, []]);
  const { queue, manifest, faults } = await verifyBackup(site.folder.at("backup"));
  assertEquals([queue, faults.count], [{
    messages: 4,
    states: { deferred: 1, held: 2 },
    inbox: 1,
    octets: 800_600,
    aside: 0,
  }, 0]);
  const found = manifest!.files.filter(({ path }) => !path.startsWith("spool/")).map(({ path }) => path).sort();
  assertEquals(found, [
    ...["maildrop", "maildrop/1", "postern.db", "recordings", "recordings/empty", "recordings/one.jsonl"],
    ...["spool", "tls", "tls/key.pem", "webhooks.db"],
  ]);
  const there = await site.of(site.store);
  assertEquals(await site.restore("backup", "new"), 0);
  const modes = ["postern.db", "maildrop", "maildrop/1", "tls", "tls/key.pem", "recordings/one.jsonl", "spool"];
  for (const each of modes) assertEquals(modeOf(site.folder.at(`new/${each}`)), modeOf(`${site.data}/${each}`), each);
  assertEquals(
    [...Deno.readDirSync(site.folder.at("new"))].map(({ name }) => name).filter((name) => /partial/.test(name)),
    [],
  );
  const hooks = new DatabaseSync(site.folder.at("new/webhooks.db"));
  assertEquals(hooks.prepare("select body from event").all().map(({ body }) => body), ["x", "y"]);
  hooks.close();
  held.close();
  const store = await openSqliteStore({ folder: site.folder.at("new") });
  try {
    assertEquals(await site.of(store), there);
    await assertRejects(() => site.restore("backup", "new"), StoreError, "in use by");
  } finally {
    await store.close();
  }
  await assertRejects(() => site.restore("backup", "new"), Error, "is not empty");
});

Deno.test("restore --held: what would be tried waits for a person", async () => {
  await using site = await Site.make();
  await fill(site);
  await site.backup("backup");
  assertEquals(await site.restore("backup", "new", { held: true }), 1);
  const store = await openSqliteStore({ folder: site.folder.at("new") });
  const { items } = await store.queue({});
  assertEquals(items.map(({ recipients: [one] }) => one!.state), ["held", "held", "held"]);
  assertMatch(items[1]!.recipients[0]!.lastReply!, /^restored from the backup of 20/);
  await store.close();
});

Deno.test("backup: a message that is done with before its body is copied leaves the copy, one whose body is lost stays", async () => {
  await using site = await Site.make();
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) {
    ids.push((await put(site.store, { recipients: [recipient("a@x.example")] }, octets(400_000, n))).id);
  }
  const fileOf = (id: string) =>
    [...Deno.readDirSync(`${site.data}/spool`)].find(({ name }) => name.startsWith(id))!.name;
  await Deno.remove(`${site.data}/spool/${fileOf(ids[1]!)}`);
  const file = fileOf(ids[2]!);
  let done = false;
  const made = await site.backup("backup", {
    progress() { // with the first body: by then the database was read
      if (done) return;
      done = true;
      const db = new DatabaseSync(`${site.data}/postern.db`);
      db.exec(`delete from recipient where message = '${ids[2]}'; delete from message where id = '${ids[2]}'`);
      db.close();
      Deno.removeSync(`${site.data}/spool/${file}`);
    },
  });
  assertEquals(made.damaged, [ids[1]!]);
  const { faults, queue } = await verifyBackup(site.folder.at("backup"));
  assertEquals([made.delivered, queue!.messages], [1, 2]);
  assertEquals(faults.told.length, 1);
  assertMatch(faults.told[0]!, new RegExp(`^message ${ids[1]}: spool/.* is missing$`));
  assertMatch(verifyFolder(site.data, { wanted: true }).faults.told.join(), /^message [^,]* is missing$/);
});

Deno.test("backup --previous: a body that did not change costs nothing, a changed name or size does", async () => {
  await using site = await Site.make();
  await fill(site);
  const copied = await site.backup("first", { copy: true });
  assertEquals(copied.linked, 0);
  await put(site.store, { recipients: [recipient("d@x.example")] }, BIG);
  const second = await site.backup("second", { copy: true, previous: site.folder.at("first") });
  assertEquals(second.linked, 0, "--copy is --copy");
  const third = await site.backup("third", { previous: site.folder.at("second") });
  assertEquals(third.linked, 4);
  const [name] = [...Deno.readDirSync(site.folder.at("second/data/spool"))].map(({ name }) => name);
  const inode = (folder: string) => Deno.statSync(site.folder.at(`${folder}/data/spool/${name}`)).ino;
  assertEquals(inode("third"), inode("second"));
  assertEquals((await verifyBackup(site.folder.at("third"))).faults.told, []);
});

const SPOILS: readonly [what: string, why: RegExp, (backup: string) => Promise<void>][] = [
  ["an octet of a body", /spool\/.* sum is another one/, async (backup) => {
    const [{ name }] = [...Deno.readDirSync(`${backup}/data/spool`)] as [Deno.DirEntry];
    const file = await Deno.open(`${backup}/data/spool/${name}`, { write: true });
    await file.write(new Uint8Array([1]));
    file.close();
  }],
  [
    "a cut database",
    /postern\.db has \d+ octets instead of/,
    (backup) => Deno.truncate(`${backup}/data/postern.db`, 16384),
  ],
  ["a file less", /tls\/key\.pem is missing/, (backup) => Deno.remove(`${backup}/data/tls/key.pem`)],
  ["a file more", /extra is in no list/, (backup) => Deno.writeTextFile(`${backup}/data/tls/extra`, "")],
  ["a cut list", /did not come to its end/, async (backup) => {
    const text = await Deno.readTextFile(`${backup}/manifest.jsonl`);
    await Deno.writeTextFile(`${backup}/manifest.jsonl`, text.trimEnd().split("\n").slice(0, -1).join("\n"));
  }],
  ["another sum in the list", /its sum is another one/, async (backup) => {
    const text = await Deno.readTextFile(`${backup}/manifest.jsonl`);
    await Deno.writeTextFile(
      `${backup}/manifest.jsonl`,
      text.replace(/"sha256":"./, (found) => found.slice(0, -1) + (found.endsWith("0") ? "1" : "0")),
    );
  }],
  ["a way out of the folder", /manifest\.jsonl:2: /, async (backup) => {
    const text = await Deno.readTextFile(`${backup}/manifest.jsonl`);
    await Deno.writeTextFile(`${backup}/manifest.jsonl`, text.replace('"path":"', '"path":"../'));
  }],
  ["a newer format", /newer version of Postern/, async (backup) => {
    const text = await Deno.readTextFile(`${backup}/manifest.jsonl`);
    await Deno.writeTextFile(`${backup}/manifest.jsonl`, text.replace('"backup":1', '"backup":2'));
  }],
];

Deno.test("verify: every fault of a backup is named", async () => {
  await using site = await Site.make();
  await fill(site);
  for (const [place, [what, why, spoil]] of SPOILS.entries()) {
    const backup = site.folder.at(`backup${place}`);
    await site.backup(`backup${place}`, { copy: true });
    assertEquals((await verifyBackup(backup)).faults.told, []);
    await spoil(backup);
    const { faults } = await verifyBackup(backup);
    assertMatch(faults.told.join("\n"), why, what);
  }
});

Deno.test("verify: rows of a data folder that cannot be read are named, in use or not", async () => {
  await using site = await Site.make();
  await fill(site);
  assertEquals(verifyFolder(site.data, { wanted: true }).faults.told, []);
  const db = new DatabaseSync(`${site.data}/postern.db`);
  db.exec("update recipient set facts = '{}' where domain = 'x.example' and state = 'deferred'");
  db.exec("update message set envelope = 'nothing' where id = (select message from inbox)");
  db.close();
  const { faults } = verifyFolder(site.data, { wanted: true });
  assertEquals(faults.told.map((each) => each.replace(/message \w+/, "message")).sort(), [
    "message: envelope: not JSON",
    "message: recipient 0: no object",
  ]);
});

Deno.test("backup: nothing of another's is taken away, and what a killed one left is", async () => {
  await using site = await Site.make();
  const { folder } = site;
  await folder.file("full/mine", "x");
  await assertRejects(() => site.backup("full"), Error, "is not empty");
  await folder.file("other.partial/mine", "x");
  await assertRejects(() => site.backup("other"), Error, "no backup began it");
  await assertRejects(() => site.backup("data/inside"), Error, "lies in the data folder");
  await folder.file("killed.partial/manifest.jsonl", '{"backup":1');
  await folder.file("killed.partial/data/postern.db", "half");
  await Deno.mkdir(folder.at("killed"));
  await site.backup("killed");
  assertEquals((await verifyBackup(folder.at("killed"))).faults.told, []);
  const names = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  assert(!names.includes("killed.partial") && !names.includes("full.partial"), names.join());
  const locked = await Deno.open(await folder.file("busy.partial/manifest.jsonl", ""), { write: true });
  await locked.lock(true);
  await assertRejects(() => site.backup("busy"), Error, "is being made already");
  locked.close();
});

Deno.test("restore: what a killed one left is begun anew, what anybody else left is not touched", async () => {
  await using site = await Site.make();
  await fill(site);
  await site.backup("backup");
  await site.folder.file("new/restore.partial/postern.db", "half");
  await site.folder.file("new/tls/key.pem", "of the restore before");
  await site.restore("backup", "new");
  assertEquals(await Deno.readTextFile(site.folder.at("new/tls/key.pem")), "secret");
  assertEquals(verifyFolder(site.folder.at("new"), { wanted: true }).faults.told, []);
  await site.folder.file("mine/restore.partial/x", "half");
  await site.folder.file("mine/notes", "mine");
  await assertRejects(() => site.restore("backup", "mine"), Error, "is not empty (notes)");
  assertEquals(await Deno.readTextFile(site.folder.at("mine/notes")), "mine");
});
