/** The folder of recordings: who may read it, how long one stays, how much there is of them, and what a broken one does. */
import { assert, assertEquals } from "@std/assert";
import { DnsError } from "../../../core/dns/resolver.ts";
import { MemoryResolver } from "../../../core/dns/memory_resolver.ts";
import { SimulatedCounters } from "../../../core/pipeline/mod.ts";
import { parseRecording } from "../../../core/replay/format.ts";
import { Recorder } from "../../../core/replay/recorder.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor } from "../../support/wait.ts";

const PEER = { ip: "192.0.2.1", port: 4000, listener: "in", role: "mx" } as const;
const DAY = 86_400_000;

function servicesIn(names: MemoryResolver) {
  return {
    host: { name: "mx.example.org", domains: [], postmaster: null },
    dns: names,
    counters: new SimulatedCounters(),
    now: Date.now,
    emit: () => {},
  };
}

async function recorderIn(folder: string, limits: { keep?: number; size?: number } = {}) {
  const troubles: string[] = [];
  const recorder = new Recorder({
    config: { networks: [], listeners: [], bodies: false, keep: 7 * DAY, size: 2 ** 20, ...limits },
    folder,
    hostname: "mx.example.org",
    now: Date.now,
    trouble: (message) => void troubles.push(message),
  });
  await recorder.start();
  return { recorder, troubles };
}

/** A session that came and went. */
function visit(recorder: Recorder, session: string, said = "220 hello\r\n"): void {
  const { tape, services } = recorder.begin(PEER, servicesIn(new MemoryResolver()))!;
  services.emit({ type: "session-opened", session, ip: PEER.ip, listener: "in", role: "mx" });
  tape.said(said);
  tape.end("quit");
}

Deno.test("a file for each session, for nobody else to read", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.at("data/recordings"), { recorder } = await recorderIn(folder);
  visit(recorder, "s01A");
  visit(recorder, "s01B");
  await recorder.stop(10_000);
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["s01A.jsonl", "s01B.jsonl"]);
  assertEquals((await Deno.stat(folder)).mode! & 0o777, 0o700);
  assertEquals((await Deno.stat(`${folder}/s01A.jsonl`)).mode! & 0o777, 0o600);
  const { session, ip, acts, ended } = parseRecording(await Deno.readTextFile(`${folder}/s01A.jsonl`));
  assertEquals([session, ip, acts.length, acts[0]!.said, ended], ["s01A", "192.0.2.1", 1, "220 hello\r\n", "quit"]);
});

Deno.test("what plugins asked stands in it: name service, failures too, and counters as they were before", async () => {
  await using temp = await TempFolder.make();
  const { recorder } = await recorderIn(temp.at("recordings"));
  const names = new MemoryResolver({
    "a.example": { txt: ["x"], mx: [[10, "mx.a.example"]] },
    "slow.example": "timeout",
  });
  const { tape, services } = recorder.begin(PEER, servicesIn(names))!;
  services.emit({ type: "session-opened", session: "s01A", ip: PEER.ip, listener: "in", role: "mx" });
  assertEquals(await services.dns.txt("a.example"), ["x"]);
  assertEquals(await services.dns.mx("a.example"), [{ preference: 10, exchange: "mx.a.example" }]);
  const fault = await services.dns.a("slow.example").catch((error) => error);
  assert(fault instanceof DnsError && fault.temporary);
  await services.counters.add("n", 2, { seconds: 60 });
  await services.counters.add("n", 2, { seconds: 60 });
  await services.counters.put("m", "x", { seconds: 60 });
  await services.counters.get("m");
  tape.end("quit");
  await recorder.stop(10_000);
  const { known, counted } = parseRecording(await Deno.readTextFile(temp.at("recordings/s01A.jsonl")));
  assertEquals(known.map(({ question }) => question), ["TXT a.example", "MX a.example", "A slow.example"]);
  assertEquals((known[2]!.answer as { fault: string }).fault, "timeout");
  assertEquals(counted, [["n", null]]);
});

Deno.test("what is older than is kept goes, and nothing that is not a recording", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.at("recordings"), { recorder } = await recorderIn(folder, { keep: 7 * DAY });
  for (const name of ["old.jsonl", "new.jsonl", "notes.txt"]) await temp.file(`recordings/${name}`, "x");
  const old = new Date(Date.now() - 8 * DAY);
  for (const name of ["old.jsonl", "notes.txt"]) await Deno.utime(`${folder}/${name}`, old, old);
  await recorder.sweep();
  await recorder.stop(10_000);
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["new.jsonl", "notes.txt"]);
});

Deno.test("all together they keep to their size: the oldest go first", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.at("recordings"), { recorder } = await recorderIn(folder, { size: 2500 });
  for (const [index, name] of ["a", "b", "c", "d"].entries()) {
    await temp.file(`recordings/${name}.jsonl`, "x".repeat(1000));
    const at = new Date(Date.now() - (10 - index) * 60_000);
    await Deno.utime(`${folder}/${name}.jsonl`, at, at);
  }
  await recorder.sweep();
  await recorder.stop(10_000);
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["c.jsonl", "d.jsonl"]);
});

Deno.test("one that outgrows what all may have is given up, and leaves nothing", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.at("recordings"), { recorder } = await recorderIn(folder, { size: 100_000 });
  const { tape, services } = recorder.begin(PEER, servicesIn(new MemoryResolver()))!;
  services.emit({ type: "session-opened", session: "s01A", ip: PEER.ip, listener: "in", role: "mx" });
  for (let count = 0; count < 300; count++) {
    tape.took({ kind: "line", text: `NOOP ${"x".repeat(1000)}\r\n` }, { octets: 1007, said: 0 });
    tape.said("250 2.0.0 OK\r\n");
    if (count % 50 === 0) await waitFor("some of it", () => [...Deno.readDirSync(folder)].length <= 1);
  }
  tape.end("quit");
  await recorder.stop(10_000);
  assertEquals([...Deno.readDirSync(folder)].length, 0);
});

Deno.test("a folder that cannot be written is told, and no session fails for it", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.at("recordings"), { recorder, troubles } = await recorderIn(folder);
  await Deno.remove(folder, { recursive: true });
  visit(recorder, "s01A");
  visit(recorder, "s01B");
  await recorder.stop(10_000);
  assertEquals(troubles.length, 1);
  assert(troubles[0]!.startsWith("cannot record: "));
});

Deno.test("a session that does not end keeps nobody from stopping", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.at("recordings"), { recorder } = await recorderIn(folder);
  const { services } = recorder.begin(PEER, servicesIn(new MemoryResolver()))!;
  services.emit({ type: "session-opened", session: "s01A", ip: PEER.ip, listener: "in", role: "mx" });
  await recorder.stop(1);
  assertEquals([...Deno.readDirSync(folder)], []);
});

Deno.test("one that another thread writes stays whole, and goes when it is the oldest afterwards", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.at("recordings"), path = `${folder}/s01B.jsonl`;
  const { recorder: one } = await recorderIn(folder, { size: 50_000 }), { recorder: other } = await recorderIn(folder);
  const { tape, services } = other.begin(PEER, servicesIn(new MemoryResolver()))!;
  services.emit({ type: "session-opened", session: "s01B", ip: PEER.ip, listener: "in", role: "mx" });
  for (let count = 0; count < 150; count++) {
    tape.took({ kind: "line", text: `NOOP ${"x".repeat(1000)}\r\n` }, { octets: 1007, said: 0 });
    tape.said("250 2.0.0 OK\r\n");
  }
  await waitFor("some of it", async () => ((await Deno.stat(path).catch(() => null))?.size ?? 0) > 50_000);
  await one.sweep();
  tape.end("quit");
  await other.stop(10_000);
  assertEquals(parseRecording(await Deno.readTextFile(path)).ended, "quit");
  await one.sweep();
  await one.stop(0);
  assertEquals([...Deno.readDirSync(folder)], []);
});

Deno.test("what several threads record keeps to the size of all, not each to that", async () => {
  await using temp = await TempFolder.make();
  const folder = temp.at("recordings"), size = 1_000_000;
  const recorders = [(await recorderIn(folder, { size })).recorder, (await recorderIn(folder, { size })).recorder];
  for (let at = 0; at < 36; at++) { // less of each than all may have
    visit(recorders[at % 2]!, `s${at}`, "x".repeat(50_000));
    await waitFor("its file", () => Deno.stat(`${folder}/s${at}.jsonl`).then(() => true, () => false), { every: 1 });
  }
  for (const each of recorders) await each.stop(10_000);
  const octets = [...Deno.readDirSync(folder)].reduce(
    (sum, { name }) => sum + Deno.statSync(`${folder}/${name}`).size,
    0,
  );
  assert(octets <= size * 1.25, `${octets} octets`);
});
