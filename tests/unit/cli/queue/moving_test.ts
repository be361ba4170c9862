/** Messages of a queue into files and into another store: byte for byte, with everything that is known of them. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { run } from "../../../../cli/main.ts";
import { exportMessage } from "../../../../cli/queue/moving/export.ts";
import { takeFolder } from "../../../../cli/queue/moving/folder.ts";
import { checkFolder, importMessage, setAside } from "../../../../cli/queue/moving/import.ts";
import { MemoryStore } from "../../../../core/store/memory.ts";
import { openSqliteStore } from "../../../../core/store/sqlite.ts";
import type { Store, WholeItem } from "../../../../core/store/store.ts";
import { TempFolder } from "../../../support/temp.ts";
import { waitFor } from "../../../support/wait.ts";
import { body, message, nextId, octets, put, read, recipient, T0 } from "../../store/messages.ts";
import { FakeTerminal } from "../fake_terminal.ts";

const ALONE = { remove: true, alone: true } as const;

interface Wanted {
  readonly item: WholeItem;
  readonly content: Uint8Array<ArrayBuffer>;
  readonly received: Uint8Array<ArrayBuffer> | null;
}

const text = fc.string({ unit: "binary", maxLength: 20 }).filter((each) => each.isWellFormed());
const moment = fc.integer({ min: 0, max: T0 * 2 });
const oneRecipient = fc.record({
  local: fc.oneof(fc.constantFrom("bob", "πέτρος", '"a b"'), text),
  domain: fc.constantFrom("x.example", "bücher.example", "[192.0.2.1]"),
  state: fc.constantFrom("ready", "deferred", "held", "corrupt", "delivered", "failed", "expired"),
  route: fc.constantFrom(
    { to: "remote" },
    { to: "remote", via: "relay" },
    { to: "local", plugin: "maildir" },
    { to: "report", action: "failed", reason: "no \n such" },
  ),
  deadline: fc.option(moment),
  nextAttempt: moment,
  lastReply: fc.option(text.map((each) => each.replaceAll("\0", " "))), // no column holds one
  attempts: fc.nat(500),
  told: fc.option(moment),
  released: fc.boolean(),
  gap: fc.nat(3),
});
/** Octets by their number where they are many: what fails is to be read. */
type Spec = number | Uint8Array;
const sizeOf = (spec: Spec) => typeof spec === "number" ? spec : spec.length;
const octetsOf = (spec: Spec) => typeof spec === "number" ? octets(spec, spec) : Uint8Array.from(spec);
const content: fc.Arbitrary<Spec> = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }),
  fc.constantFrom(262_144, 262_145, 700_000),
);
const wanted: fc.Arbitrary<Pick<Wanted, "item"> & { readonly content: Spec; readonly received: Spec | null }> = fc
  .record({
    recipients: fc.array(oneRecipient, { minLength: 1, maxLength: 4 }),
    sender: fc.option(fc.constantFrom("alice@example.org", "ünï@bücher.example")),
    prepend: text,
    content,
    received: fc.option(content),
    expires: fc.option(moment),
    subject: text,
  }).map(({ recipients, sender, prepend, content, received, expires, subject }) => {
    let index = -1;
    const made = message({
      edits: { prepend, drop: [[0, 3]], insert: [[3, prepend]] },
      summary: { from: subject, to: "", subject },
      ...sender === null && { sender },
    });
    const { recipients: _, deposits: __, ...rest } = made;
    return {
      item: {
        message: { ...rest, size: sizeOf(content), version: 1 },
        recipients: recipients.map(({ local, domain, state, route, gap, ...each }) => ({
          ...recipient(`bob@${domain}`, { route } as Parameters<typeof recipient>[1]),
          ...{ address: { local, domain }, original: { local, domain } },
          ...each,
          index: index += gap + 1,
          state: state as WholeItem["recipients"][number]["state"],
          ...state === "deferred" && each.deadline === null && { appointed: true as const },
        })),
        expires: recipients.some(({ state }) => state === "held") ? expires : null,
        receivedSize: received === null ? null : sizeOf(received),
      },
      content,
      received,
    };
  });

async function adopt(store: Store, { item, content, received }: Wanted): Promise<void> {
  const { id } = item.message;
  const original = received === null ? undefined : await body(store, id, received);
  assert(await store.adopt(item, await body(store, id, content), original));
}

async function assertHolds(store: Store, { item, content, received }: Wanted): Promise<void> {
  const { id } = item.message;
  assertEquals(await store.whole(id), item);
  assertEquals(await read(await store.content(id)), content);
  assertEquals(await read(await store.received(id)), received ?? content);
}

Deno.test("export and import: whatever a message has comes over, from one kind of store to another and back", async () => {
  await using folder = await TempFolder.make();
  const memory = new MemoryStore();
  const sqlite = await openSqliteStore({ folder: folder.at("data") });
  let round = 0;
  try {
    await fc.assert(
      fc.asyncProperty(wanted, async ({ item, content, received }) => {
        const each = { item, content: octetsOf(content), received: received === null ? null : octetsOf(received) };
        const { id } = each.item.message, files = folder.at(`files${round++}`);
        await Deno.mkdir(files);
        await adopt(memory, each);
        for (const [from, to] of [[memory, sqlite], [sqlite, memory]] as const) {
          assertEquals(await exportMessage(from, files, { id, ...ALONE }), { done: true });
          assertEquals(await from.whole(id), null, "moved");
          assertEquals(await Deno.readFile(`${files}/${id}.eml`), each.received ?? each.content, "as it was received");
          assertEquals(await checkFolder(files), { good: [id], bad: [], other: [] });
          assertEquals(await importMessage(to, files, id), "taken");
          await assertHolds(to, each);
          assertEquals(await checkFolder(files), { good: [], bad: [], other: [] });
        }
        await memory.change({ id }, { do: "delete" });
      }),
      { numRuns: 40 },
    );
    assertEquals([memory.health().bodyBytes, sqlite.health().bodyBytes], [0, 0]);
  } finally {
    await memory.close();
    await sqlite.close();
  }
});

Deno.test("export and import: 30 MB of every octet, and an id that is there already", async () => {
  await using folder = await TempFolder.make();
  const big = octets(30_000_001), files = folder.at("files");
  await Deno.mkdir(files);
  const from = await openSqliteStore({ folder: folder.at("old") }),
    to = await openSqliteStore({ folder: folder.at("new") });
  try {
    const { id } = await put(from, { recipients: [recipient("a@x.example")] }, big);
    assertEquals(await exportMessage(from, files, { id, remove: false, alone: true }), { done: true });
    assertEquals((await from.whole(id))?.recipients.length, 1, "copied, not moved");
    assertEquals(await importMessage(to, files, id), "taken");
    assertEquals(await read(await to.received(id)), big);
    // Killed between the two files: the message is in the queue, and nothing is wrong with what is left
    await Deno.rename(`${files}/imported/${id}.eml`, `${files}/${id}.eml`);
    assertEquals(await checkFolder(files), { good: [], bad: [], other: [] });
    await to.change({ id }, { do: "hold", reason: "here" });
    assertEquals(await exportMessage(from, files, { id, remove: false, alone: true }), { done: true });
    assertEquals(await importMessage(to, files, id), "there");
    assertEquals((await to.whole(id))?.recipients.map(({ state, lastReply }) => [state, lastReply]), [[
      "held",
      "here",
    ]]);
  } finally {
    await from.close();
    await to.close();
  }
});

const SPOILS: readonly [what: string, why: RegExp, (files: string, id: string) => Promise<void>][] = [
  [
    "an octet of the body",
    /its sum is another one/,
    (files, id) => write(`${files}/${id}.eml`, (text) => text.replace("x", "y")),
  ],
  ["a cut body", /has 99 octets instead of 100/, async (files, id) => await Deno.truncate(`${files}/${id}.eml`, 99)],
  ["no body", /\.eml is missing/, (files, id) => Deno.remove(`${files}/${id}.eml`)],
  ["no JSON", /is no JSON/, (files, id) => write(`${files}/${id}.json`, (text) => text.slice(0, 80))],
  [
    "another id",
    /of another file/,
    (files, id) => write(`${files}/${id}.json`, (text) => text.replaceAll(id, nextId())),
  ],
  [
    "a path for an id",
    /of another file/,
    (files, id) => write(`${files}/${id}.json`, (text) => text.replaceAll(id, "../x")),
  ],
  [
    "a newer format",
    /format 2 of a newer version/,
    (files, id) => write(`${files}/${id}.json`, (text) => text.replace('"message": 1', '"message": 2')),
  ],
  [
    "no such state",
    /recipients\.0\.state/,
    (files, id) => write(`${files}/${id}.json`, (text) => text.replace('"ready"', '"lost"')),
  ],
  [
    "a bad route",
    /bad route/,
    (files, id) => write(`${files}/${id}.json`, (text) => text.replace('"remote"', '"nowhere"')),
  ],
  [
    "a bad sender",
    /sender: no domain/,
    (files, id) => write(`${files}/${id}.json`, (text) => text.replace('"domain": "example.org"', '"domain": 5')),
  ],
  [
    "one recipient twice",
    /recipient twice/,
    (files, id) => write(`${files}/${id}.json`, (text) => text.replace('"index": 1', '"index": 0')),
  ],
  [
    "nobody",
    /recipients/,
    (files, id) => write(`${files}/${id}.json`, (text) => JSON.stringify({ ...JSON.parse(text), recipients: [] })),
  ],
];

async function write(path: string, change: (text: string) => string): Promise<void> {
  const was = await Deno.readTextFile(path), is = change(was);
  assert(was !== is, `nothing was spoiled in ${path}`);
  await Deno.writeTextFile(path, is);
}

Deno.test("import: what is spoiled is named, is set aside and is not taken; the rest is", async () => {
  await using folder = await TempFolder.make();
  const files = folder.at("files"), store = new MemoryStore(), to = new MemoryStore(), ids: string[] = [];
  await Deno.mkdir(files);
  for (const _ of [...SPOILS, null]) {
    const recipients = [recipient("a@x.example"), recipient("b@x.example")];
    const { id } = await put(store, { recipients }, new TextEncoder().encode(`Subject: x\r\n\r\n${"x".repeat(86)}`));
    assertEquals((await exportMessage(store, files, { id, ...ALONE })).done, true);
    ids.push(id);
  }
  for (const [place, [, , spoil]] of SPOILS.entries()) await spoil(files, ids[place]!);
  await Deno.writeTextFile(`${files}/${nextId()}.eml`, "of an export that was killed");
  const { good, bad } = await checkFolder(files);
  assertEquals(good, [ids.at(-1)!]);
  assertEquals(bad.length, SPOILS.length + 1);
  for (const [place, [what, why]] of SPOILS.entries()) {
    assertMatch(bad.find(({ name }) => name === `${ids[place]}.json`)?.why ?? "not named", why, what);
  }
  assertMatch(bad.find(({ name }) => name.endsWith(".eml"))!.why, /belongs to no message/);
  for (const { name } of bad) await setAside(files, name);
  for (const id of good) assertEquals(await importMessage(to, files, id), "taken");
  assertEquals(await checkFolder(files), { good: [], bad: [], other: [] });
  assertEquals((await to.queue({})).total, 1);
  assertEquals(to.health().bodyBytes, 0);
});

Deno.test("import: files that no export wrote stay where they are, and a backup is told as one", async () => {
  await using folder = await TempFolder.make();
  const config = await folder.file("postern.yaml", `data: ./data\n`), data = folder.at("data");
  const imports = async (from: string) => {
    const terminal = new FakeTerminal({ cwd: folder.path });
    return [await run(["queue", "import", from, "-c", config], terminal), [
      ...terminal.complaints,
      ...terminal.printed,
    ]];
  };
  await (await openSqliteStore({ folder: data })).close();
  const names = () => [...Deno.readDirSync(data)].map(({ name }) => name).sort();
  const before = names();
  assert(before.includes("postern.db"));
  assertEquals(await imports(data), [1, [`postern: ${data} has no message of an export`]]); // a slip of the hand
  assertEquals(names(), before);

  const { id } = await put(new MemoryStore(), { recipients: [recipient("a@x.example")] });
  for (const name of ["notes.txt", "manifest.jsonl"]) await folder.file(`files/${name}`, "x");
  const [exit, [words]] = await imports("files") as [number, string[]];
  assertEquals(exit, 1);
  assertMatch(words!, /has no message of an export: it is a backup, and postern restore brings it back$/);
  await folder.file(`files/${id}.json`, "cut");
  const [, told] = await imports("files") as [number, string[]];
  assertMatch(told[0]!, /^postern: manifest\.jsonl and 1 other file are left there: no export writes such a name$/);
  assertMatch(told[1]!, /\.json is no JSON, set aside/);
  assertEquals([...Deno.readDirSync(folder.at("files"))].map(({ name }) => name).sort(), [
    "bad",
    "manifest.jsonl",
    "notes.txt",
  ]);
});

Deno.test("import: a spoiled file found only while it is read leaves nothing in the store", async () => {
  await using folder = await TempFolder.make();
  const from = new MemoryStore(), to = await openSqliteStore({ folder: folder.at("data") });
  try {
    const { id } = await put(from, { recipients: [recipient("a@x.example")] }, octets(400_000));
    await exportMessage(from, folder.path, { id, ...ALONE });
    const file = await Deno.open(folder.at(`${id}.eml`), { write: true });
    await file.write(new Uint8Array(3));
    file.close();
    const answer = await importMessage(to, folder.path, id);
    assertMatch((answer as { bad: string }).bad, /its sum is another one/);
    assertEquals(await to.whole(id), null);
    assertEquals(to.health().bodyBytes, 0);
  } finally {
    await to.close();
  }
  assertEquals([...Deno.readDirSync(folder.at("data/spool"))].length, 0);
});

Deno.test("export from a queue that others work on: what is under attempt is waited for, and comes as it then is", async () => {
  await using folder = await TempFolder.make();
  const store = new MemoryStore(),
    sent = message({
      recipients: [
        recipient("a@x.example"),
        recipient("b@y.example", { state: "deferred", nextAttempt: T0 * 2, lastReply: "451 later", deadline: T0 * 2 }),
        recipient("c@z.example", { state: "held", lastReply: "looks odd" }),
      ],
    });
  const claim = { owner: "other", until: T0 * 2 };
  const [lease] = await store.commit(sent, await body(store, sent.id, octets(100)), { claim });
  const others = { remove: true, alone: false } as const;
  const impatient = await exportMessage(store, folder.path, { id: sent.id, ...others, patience: 0 });
  assertMatch((impatient as { left: string }).left, /is under attempt/);
  assertEquals([...Deno.readDirSync(folder.path)], [], "nothing has two owners");

  const done = exportMessage(store, folder.path, { id: sent.id, ...others });
  await waitFor("what waits to be held", async () => (await store.item(sent.id))!.recipients[1]!.state === "held");
  await store.settle(lease!, [{ index: 0, state: "deferred", nextAttempt: T0 * 3, lastReply: "450 busy" }]);
  assertEquals(await done, { done: true });
  assertEquals((await store.queue({})).total, 0);
  const to = new MemoryStore();
  assertEquals(await importMessage(to, folder.path, sent.id), "taken");
  assertEquals(
    (await to.whole(sent.id))!.recipients.map((
      { state, nextAttempt, lastReply, released },
    ) => [state, nextAttempt, lastReply, released]),
    [
      ["deferred", T0 * 3, "450 busy", false],
      ["deferred", T0 * 2, null, false],
      ["held", T0, "looks odd", false],
    ],
  );
});

Deno.test("import: pipes, devices and ten million brackets are set aside, and hold nobody up", async () => {
  await using folder = await TempFolder.make();
  const store = new MemoryStore(), out = folder.at("out"), ids: string[] = [];
  await Deno.mkdir(out);
  for (let n = 0; n < 3; n++) {
    ids.push((await put(store, { recipients: [recipient("a@x.example")] }, octets(0, n))).id);
    await exportMessage(store, out, { id: ids[n]!, ...ALONE });
  }
  const [pipe, device, deep] = ids as [string, string, string];
  for (const id of [pipe, device]) await Deno.remove(`${out}/${id}.eml`);
  assert((await new Deno.Command("mkfifo", { args: [`${out}/${pipe}.eml`] }).output()).success);
  await Deno.symlink("/dev/zero", `${out}/${device}.eml`);
  const text = await Deno.readTextFile(`${out}/${deep}.json`), level = 5_000_000;
  await Deno.writeTextFile(
    `${out}/${deep}.json`,
    text.replace('"summary": {', `"summary": {"deep": ${"[".repeat(level)}${"]".repeat(level)},`),
  );
  const { good, bad } = await checkFolder(out);
  assertEquals(good, []);
  assertEquals(bad.map(({ why }) => why), [`${pipe}.eml is no file`, `${device}.eml is no file`, "is too deep"]);
});

Deno.test("export and import: a folder belongs to one of them at a time, and a look keeps nobody out but them", async () => {
  await using folder = await TempFolder.make();
  const config = await folder.file("postern.yaml", `data: ./data\n`), files = folder.at("files");
  const store = await openSqliteStore({ folder: folder.at("data") });
  await put(store, { recipients: [recipient("a@x.example")] }, octets(200));
  await store.close();
  const queue = async (...args: string[]) => {
    const terminal = new FakeTerminal({ cwd: folder.path });
    return {
      code: await run(["queue", ...args, "-c", config], terminal),
      said: [...terminal.printed, ...terminal.complaints].join(),
    };
  };
  await Deno.mkdir(files);
  const refused = [["export", files], ["import", files], ["import", files, "--dry-run"]];
  {
    using _other = await takeFolder(files);
    for (const args of refused) {
      const { code, said } = await queue(...args);
      assertEquals(code, 1, said);
      assertMatch(said, /another queue export or import is at .*files: wait/);
    }
    assertEquals([...Deno.readDirSync(files)], []);
  }
  assertEquals((await queue("export", files, "--remove")).code, 0);
  using _look = await takeFolder(files, { look: true });
  assertMatch((await queue("import", files, "--dry-run")).said, /1 message can be imported/);
  assertMatch((await queue("import", files)).said, /another queue export or import/);
});
