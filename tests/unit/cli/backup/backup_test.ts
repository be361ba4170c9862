/** A backup of a data folder that is in use, whether it is whole, and what it brings back. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { type BackupOptions, type Made, makeBackup } from "../../../../cli/backup/make.ts";
import type { ManifestFile } from "../../../../cli/backup/manifest.ts";
import { restoreBackup, type RestoreOptions } from "../../../../cli/backup/restore.ts";
import { verifyBackup, verifyFolder } from "../../../../cli/backup/verify.ts";
import { openSqliteStore } from "../../../../core/store/sqlite.ts";
import { type Store, StoreError } from "../../../../core/store/store.ts";
import { TempFolder } from "../../../support/temp.ts";
import { body, deposit, message, octets, put, read, recipient } from "../../store/messages.ts";

const BIG = octets(400_000, 7), SMALL = octets(300, 3);
const DROP = `maildrop/01ARZ3NDEKTSV4RRFFQ69G5FAV-${"0".repeat(24)}`;

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
  await Deno.writeTextFile(`${data}/${DROP}`, "dropped", { mode: 0o644 });
  const hooks = new DatabaseSync(`${data}/webhooks.db`);
  hooks.exec(
    "pragma journal_mode = wal; create table event (seq integer primary key, body text) strict; insert into event values (1, 'x')",
  );
  hooks.close();
}
const there = existsSync;
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
    ...["maildrop", DROP, "postern.db", "recordings", "recordings/empty", "recordings/one.jsonl"],
    ...["spool", "tls", "tls/key.pem", "webhooks.db"],
  ]);
  const there = await site.of(site.store);
  assertEquals(await site.restore("backup", "new"), 0);
  const modes = ["postern.db", "maildrop", DROP, "tls", "tls/key.pem", "recordings/one.jsonl", "spool"];
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

Deno.test("verify: a bit that tipped anywhere in a backup is found", async () => {
  await using site = await Site.make();
  await fill(site);
  await site.backup("backup", { copy: true });
  const backup = site.folder.at("backup"), { manifest } = await verifyBackup(backup);
  const files = manifest!.files.filter(({ size }) => size !== null).map(({ path }) => `data/${path}`);
  assert(files.length > 6);
  const flip = (path: string, at: number) => {
    using file = Deno.openSync(path, { read: true, write: true });
    const octet = new Uint8Array(1);
    file.seekSync(at, Deno.SeekMode.Start);
    file.readSync(octet);
    octet[0]! ^= 1 << at % 8;
    file.seekSync(at, Deno.SeekMode.Start);
    file.writeSync(octet);
  };
  for (const path of ["manifest.jsonl", ...files].map((each) => `${backup}/${each}`)) {
    const { size } = await Deno.stat(path);
    for (const part of [0, 0.2, 0.5, 0.8, 1]) {
      const at = Math.floor((size - 1) * part);
      flip(path, at);
      assert((await verifyBackup(backup)).faults.count > 0, `${path}, octet ${at} of ${size}`);
      flip(path, at);
    }
  }
  assertEquals((await verifyBackup(backup)).faults.told, []);
});

Deno.test("verify: rows of a data folder that cannot be read are named, in use or not", async () => {
  await using site = await Site.make();
  await fill(site);
  assertEquals(verifyFolder(site.data, { wanted: true }).faults.told, []);
  const db = new DatabaseSync(`${site.data}/postern.db`);
  db.exec("update recipient set facts = '{}' where domain = 'x.example' and state = 'deferred'");
  db.exec("update message set envelope = 'nothing' where id = (select message from inbox)");
  db.exec(
    "insert into original values ((select message from recipient where domain = 'x.example' limit 1), 5, null, x'00')",
  );
  db.exec(
    "insert into inbox select 'gone', n, name, unread, sender, recipients, subject, size, received_at, search from inbox",
  );
  db.close();
  const { faults } = verifyFolder(site.data, { wanted: true });
  assertEquals(faults.told.map((each) => each.replace(/message \w+/, "message")).sort(), [
    "message: envelope: not JSON",
    "message: in the dev inbox without a message",
    "message: recipient 0: no object",
    "message: what was received has 1 octets instead of 5",
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

Deno.test("backup: nobody who may write to the maildrop brings another's file into it, or keeps it from its end", async () => {
  await using site = await Site.make();
  await fill(site);
  const { folder, data } = site, name = (n: number) => `${data}/${DROP.slice(0, -1)}${n}`;
  await folder.file("secret/shadow", "root:x");
  await Deno.symlink(folder.at("secret/shadow"), name(1));
  await Deno.symlink(folder.at("secret"), name(2));
  await Deno.mkdir(name(3));
  await Deno.writeTextFile(`${name(3)}/inside`, "x");
  await Deno.link(folder.at("secret/shadow"), name(4));
  assert((await new Deno.Command("mkfifo", { args: [name(5)] }).output()).success);
  await Deno.symlink("/", `${data}/maildrop/all`);
  await Deno.mkdir(`${data}/maildrop/bad`);
  await Deno.symlink(folder.at("secret/shadow"), `${data}/maildrop/bad/one`);
  for (const path of [name(6), `${data}/maildrop/bad/large`]) { // a hole that costs who made it nothing
    await Deno.writeTextFile(path, "x");
    await Deno.truncate(path, 2 ** 40);
  }
  const made = await site.backup("backup", { messageSize: 2 ** 20 });
  assertEquals(made.foreign.length, 9, made.foreign.join());
  const { manifest, faults } = await verifyBackup(folder.at("backup"));
  assertEquals(faults.told, []);
  const found = manifest!.files.map(({ path }) => path).filter((path) => path.startsWith("maildrop/")).sort();
  assertEquals(found, [DROP, "maildrop/bad"]);
});

Deno.test("backup: a link that is neither root's nor the owner's leads nowhere", {
  ignore: Deno.uid() !== 0,
}, async () => {
  await using site = await Site.make();
  await site.folder.file("secret/shadow", "root:x");
  for (const [name, uid] of [["theirs", 65_534], ["mine", 0]] as const) {
    await Deno.symlink(site.folder.at("secret/shadow"), `${site.data}/${name}`);
    const { code } = await new Deno.Command("chown", { args: ["-h", `${uid}`, `${site.data}/${name}`] }).output();
    assertEquals(code, 0);
  }
  await site.backup("backup");
  assertEquals([...Deno.readDirSync(site.folder.at("backup/data"))].map(({ name }) => name).sort(), [
    ...["mine", "postern.db", "spool"],
  ]);
});

Deno.test("backup: a message of a Maildir that is read meanwhile is not missed", async () => {
  await using site = await Site.make();
  const { folder, data } = site;
  await folder.file("data/box/cur/0", "old");
  for (const n of [1, 2, 3]) await folder.file(`data/box/new/${n}`, `mail ${n}`);
  let done = false;
  await site.backup("backup", {
    progress() { // as a reader does, after the folder was listed
      const begun = there(folder.at("backup.partial/data/box/new/3"));
      if (done || !begun) return;
      done = true;
      for (const n of [1, 2]) Deno.renameSync(`${data}/box/new/${n}`, `${data}/box/cur/${n}:2,S`);
      Deno.renameSync(`${data}/box/cur/0`, `${data}/box/cur/0:2,S`);
    },
  });
  assert(done);
  assertEquals([...Deno.readDirSync(folder.at("backup/data/box/cur"))].map(({ name }) => name).sort(), [
    ...["0:2,S", "1:2,S", "2:2,S"],
  ]);
  assertEquals((await verifyBackup(folder.at("backup"))).faults.told, []);
});

Deno.test("backup: a folder that is a link is gone through, and what cannot be is told before anything is made", async () => {
  await using site = await Site.make();
  await fill(site);
  const { folder, data } = site;
  await Deno.mkdir(folder.at("real"));
  await Deno.symlink(folder.at("real"), folder.at("link"));
  await site.backup("link");
  assertEquals((await verifyBackup(folder.at("real"))).faults.told, []);
  await Deno.symlink(folder.at("nothing"), folder.at("dangling"));
  await assertRejects(() => site.backup("dangling"), Error, "is a link to what is not there");
  await Deno.symlink(data, folder.at("round"));
  await assertRejects(() => site.backup("round/a/b"), Error, "lies in the data folder");
  assertEquals(there(`${data}/a`), false);
  await Deno.remove(folder.at(`real/data/spool/${[...Deno.readDirSync(folder.at("real/data/spool"))][0]!.name}`));
  await site.backup("next", { previous: folder.at("real") }); // one that was lost there comes from the server
  assertEquals((await verifyBackup(folder.at("next"))).faults.told, []);
});

Deno.test("verify and restore: a backup that somebody changed holds nobody up, and makes no program of root's", async () => {
  await using site = await Site.make();
  await fill(site);
  const { folder } = site, key = folder.at("backup/data/tls/key.pem");
  await site.backup("backup");
  const text = await Deno.readTextFile(folder.at("backup/manifest.jsonl"));
  const { manifest } = await verifyBackup(folder.at("backup"));
  const manifestOf = (change: (file: ManifestFile) => ManifestFile) => ({
    ...manifest!,
    files: manifest!.files.map(change),
  });
  const suid = manifestOf((file) => file.path === "tls/key.pem" ? { ...file, mode: 0o6755 } : file);
  await restoreBackup(folder.at("backup"), suid, { data: folder.at("suid") });
  assertEquals(modeOf(folder.at("suid/tls/key.pem")), 0o755);
  for (const path of ["lock", "restore.partial"]) {
    const odd = manifestOf((file) => file.path === "tls/key.pem" ? { ...file, path } : file);
    await assertRejects(
      () => restoreBackup(folder.at("backup"), odd, { data: folder.at("odd") }),
      Error,
      "no backup has",
    );
  }
  await Deno.remove(key);
  const missing = restoreBackup(folder.at("backup"), manifest!, { data: folder.at("half") });
  await assertRejects(() => missing, Deno.errors.NotFound);
  assertEquals([...Deno.readDirSync(folder.at("half"))].map(({ name }) => name), ["lock"], "its space is given back");
  await Deno.symlink("/dev/zero", key);
  assertMatch((await verifyBackup(folder.at("backup"))).faults.told.join(), /tls\/key\.pem is no file/);
  await Deno.writeTextFile(folder.at("backup/manifest.jsonl"), text + " ".repeat(2_000_000));
  assertMatch((await verifyBackup(folder.at("backup"))).faults.told.join(), /a line is too long/);
});

Deno.test("backup: it needs no more than the unit of its timer permits", async () => {
  await using site = await Site.make();
  await fill(site); // and the queue is in use, with a log that is not empty
  const { folder, data } = site, root = new URL("../../../../", import.meta.url).pathname.replace(/\/$/, "");
  const unit = await Deno.readTextFile(`${root}/examples/install/postern-backup.service`);
  const flags = [...unit.matchAll(/--(?:no-prompt|allow-\S+)/g)].map(([flag]) =>
    flag.replaceAll("/opt/postern", root).replaceAll("/var/lib/postern", data)
      .replaceAll("/var/backups/postern", folder.at("kept"))
  );
  assert(flags.length >= 5, unit);
  for (const args of [["backup", folder.at("kept/one")], ["verify", folder.at("kept/one")]]) {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", ...flags, `${root}/cli/main.ts`, ...args],
      cwd: root,
      env: { POSTERN_DATA: data, NO_COLOR: "1" },
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""], args.join(" "));
  }
  const there = await site.of(site.store);
  await site.restore("kept/one", "new");
  const store = await openSqliteStore({ folder: folder.at("new") });
  assertEquals(await site.of(store), there);
  await store.close();
});
