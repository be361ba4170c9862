/** Sessions that were recorded and are played again: against the same configuration they are answered as they were. */
import { assertEquals } from "@std/assert";
import { runDialogue } from "../support/dialogue.ts";
import { RecordedSite, sides, stageOf } from "../support/recordings.ts";

const folder = new URL("../dialogues/", import.meta.url);

for (const bodies of [true, false]) {
  Deno.test(`every dialogue, played again, is answered as it was (bodies: ${bodies})`, async () => {
    await using site = await RecordedSite.start(`
hostname: mx.example.org
domains: ["*"]
listeners:
  - { address: "127.0.0.1:0" }
limits: { messageSize: "100000B", recipients: 100 }
plugins: [{ inbox: { everything: true } }]
recordings: { bodies: ${bodies} }
`);
    for (const { name } of [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".txt"))) {
      await runDialogue(await Deno.readTextFile(new URL(name, folder)), site.port, name);
    }
    await site.stop();
    const stage = stageOf(site.config);
    let acts = 0;
    for (const recording of await site.read()) {
      const replayed = await stage.replay(recording), { then, now } = sides(recording, replayed);
      assertEquals(now, then, recording.session);
      assertEquals(replayed.changes, []);
      acts += then.length;
    }
    assertEquals(acts > 200, true, `${acts} acts`);
  });
}
