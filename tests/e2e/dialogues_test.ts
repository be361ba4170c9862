/** Plays the scripts of tests/dialogues against a running server, over TCP, whole and octet by octet. */
import { runDialogue } from "../support/dialogue.ts";
import { Server } from "../support/server.ts";

const CONFIG = `
hostname: mx.example.org
domains: ["*"]
listeners:
  - { address: "127.0.0.1:0" }
limits: { messageSize: "100000B", recipients: 100 }
plugins: [{ inbox: { everything: true } }]
admin: { address: "127.0.0.1:0", token: "\${POSTERN_ADMIN_TOKEN}" }
`;
const folder = new URL("../dialogues/", import.meta.url);

Deno.test("dialogues over TCP", async (t) => {
  await using server = await Server.start({ config: CONFIG });
  for (const entry of [...Deno.readDirSync(folder)].filter((each) => each.name.endsWith(".txt"))) {
    const script = await Deno.readTextFile(new URL(entry.name, folder));
    await t.step(entry.name, () => runDialogue(script, server.ports.smtp, entry.name));
  }
});
