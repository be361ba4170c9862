/**
 * The runner of dialogue scripts itself: what it sends, what it lets pass, what it must not let pass.
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { addedOnly, latin1, octets } from "../../support/bytes.ts";
import { lineMatches, parseDialogue, runDialogue } from "../../support/dialogue.ts";

Deno.test("dialogue: escapes become octets, text is UTF-8", () => {
  const [plain, raw] = parseDialogue("C: MAIL FROM:<ü@a>\nC<< a\\r\\n\\x00\\xff\\{3:ab\\n}\\\\\n");
  assertEquals(plain!.text, "MAIL FROM:<\xc3\xbc@a>\r\n");
  assertEquals(raw!.text, "a\r\n\0\xffab\nab\nab\n\\");
  assertThrows(() => parseDialogue("S 250"), Error, "dialogue:1");
  assertThrows(() => parseDialogue("\nC<< \\q"), Error, "dialogue:2");
});

Deno.test("dialogue: patterns", () => {
  for (
    const [pattern, line, expected] of [
      ["250", "250 ok", true],
      ["250", "250-more", false],
      ["250-", "250-more", true],
      ["250 2.0.0 ...", "250 2.0.0 queued", true],
      ["250 2.0.0 ...", "250 2.1.0 queued", false],
      ["250 ... as ...x", "250 queued as 1x", true],
      ["250 ... as ...x", "250 queued as 1xy", false],
      ["250 a.c", "250 abc", false],
      ["*", "anything", true],
      ["250 ok", "250 ok then", false],
    ] as const
  ) assertEquals(lineMatches(pattern, line), expected, `${pattern} / ${line}`);
});

/** Sends the greeting, answers each read with the next reply, then closes. */
async function fakeServer(replies: string[], body: (port: number) => Promise<void>): Promise<string> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let heard = "";
  const serving = (async () => {
    const conn = await listener.accept();
    const buffer = new Uint8Array(4096);
    for (const reply of replies) {
      await conn.write(octets(reply));
      if (reply === replies.at(-1)) break;
      heard += latin1(buffer.subarray(0, await conn.read(buffer) ?? 0));
    }
    conn.close();
  })();
  try {
    await body(listener.addr.port);
  } finally {
    await serving.catch(() => {});
    listener.close();
  }
  return heard;
}

Deno.test("dialogue: passes as written, fails at the line that differs", async () => {
  const heard = await fakeServer(
    ["220 hello\r\n", "250-a\r\n250 b\r\n"],
    (port) => runDialogue("S: 220 ...\nC: EHLO x\nS: 250-\nS: 250\nS: close\n", port),
  );
  assertEquals(heard, "EHLO x\r\n");
  await fakeServer(["220 hello\r\n"], async (port) => {
    await assertRejects(() => runDialogue("S: 220\nS: 250\n", port, "d.txt"), Error, "d.txt:2: expected 250");
  });
  await fakeServer(["220 hello\r\n250 unasked\r\n"], async (port) => {
    await assertRejects(() => runDialogue("S: 220\nS: close\n", port, "d.txt"), Error, "d.txt:2");
  });
});

Deno.test("addedOnly: whole trace fields in front, nothing else", () => {
  const sent = octets("Subject: x\r\n\r\nbody\r\n");
  const stored = (front: string) => octets(front + latin1(sent));
  assertEquals(addedOnly(sent, sent), null);
  assertEquals(addedOnly(stored("Received: from a\r\n\tby b\r\nReturn-Path: <>\r\n"), sent), null);
  for (const bad of ["X-Other: 1\r\n", "Received: from a", "\r\n", "junk\r\n", "Received: a\r\n\r\n"]) {
    assert(addedOnly(stored(bad), sent) !== null, JSON.stringify(bad));
  }
  assert(addedOnly(sent.slice(1), sent) !== null);
  assert(addedOnly(octets(latin1(sent) + "."), sent) !== null);
});
