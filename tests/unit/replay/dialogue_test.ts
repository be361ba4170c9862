/** A recording as lines for people: word for word, no content, and nothing where there is no whole recording. */
import { assertEquals } from "@std/assert";
import { recordedDialogue } from "../../../core/replay/dialogue.ts";
import { headOf, lineOf } from "../../../core/replay/format.ts";
import { join } from "../../support/paths.ts";

const SESSION = "s01M819XKP4V0R2D7E9B3TQ6HZ8";
const WHOLE = headOf({
  session: SESSION,
  at: 1,
  listener: "in",
  role: "mx",
  ip: "192.0.2.7",
  port: 4000,
  hostname: "mx.example.org",
  bodies: true,
}) +
  [
    { at: 0, deed: { kind: "connect" as const } },
    { said: "220 mx.example.org ESMTP\r\n" },
    { at: 5, deed: { kind: "line" as const, text: "EHLO a.example\r\n" } },
    { said: "250-mx.example.org\r\n250 SIZE 100\r\n" },
    { at: 9, deed: { kind: "auth" as const, mechanism: "PLAIN" } },
    { said: "535 5.7.8 No\r\n" },
    { at: 12, deed: { kind: "content" as const } },
    { size: 6 },
    { octets: btoa("secret") },
    { said: "250 2.0.0 queued\r\n" },
    { ended: "quit" },
  ].map(lineOf).join("");

Deno.test("recordedDialogue: what was said, and not what was sent", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, `${SESSION}.jsonl`);
    await Deno.writeTextFile(path, WHOLE);
    const lines = await recordedDialogue(folder, SESSION);
    assertEquals(lines?.map(({ who, at, text, refused }) => [who, at, text, refused]), [
      ["event", 0, "connected, 192.0.2.7 port 4000", false],
      ["server", 0, "220 mx.example.org ESMTP", false],
      ["client", 5, "EHLO a.example", false],
      ["server", 5, "250-mx.example.org\n250 SIZE 100", false],
      ["client", 9, "AUTH PLAIN", false],
      ["server", 9, "535 5.7.8 No", true],
      ["event", 12, "6 octets of the message, not shown", false],
      ["server", 12, "250 2.0.0 queued", false],
      ["event", null, "ended: quit", false],
    ]);
    await Deno.writeTextFile(path, WHOLE.slice(0, -30)); // the session is not over
    assertEquals(await recordedDialogue(folder, SESSION), null);
    assertEquals(await recordedDialogue(folder, SESSION.replace("8", "9")), null);
    assertEquals(await recordedDialogue(folder, "../../etc/passwd"), null);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
