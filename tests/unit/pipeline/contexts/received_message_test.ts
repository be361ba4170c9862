/** The message a plugin sees: edits of earlier plugins in its header, never in its octets; in memory or spilled. */
import { assertEquals, assertRejects } from "@std/assert";
import { on, runPhase } from "postern";
import type { HeaderEdits } from "../../../../core/model/envelope.ts";
import { memoryBody } from "../../../../core/pipeline/testing/simulation.ts";
import { ReceivedMessage } from "../../../../core/pipeline/contexts/received_message.ts";
import type { Body } from "../../../../core/store/store.ts";

const TEXT = "Received: from a\nSubject: one\nX-Spam: no\nSubject: two\n\nbody\n";
const names = (message: { headers: readonly { name: string; value: string }[] }): string =>
  message.headers.map(({ name, value }) => `${name}=${value}`).join("; ");

Deno.test("header and headers show the edits so far, bytes and stream the received octets", async () => {
  const seen: string[] = [];
  const look = on("data", async (ctx, next) => {
    seen.push(names(ctx.message), ctx.message.header("SUBJECT") ?? "-", ctx.message.header("x-spam") ?? "-");
    const octets = await ctx.message.bytes(), streamed = await new Response(ctx.message.stream()).bytes();
    assertEquals(new TextDecoder().decode(octets), TEXT.replaceAll("\n", "\r\n"));
    assertEquals(streamed, octets);
    return next();
  });
  const edit = on("data", (ctx, next) => {
    ctx.removeHeader("subject");
    ctx.prependHeader("Subject", "new");
    ctx.prependHeader("X-Spam", "yes");
    return next();
  });
  const remove = on("data", (ctx, next) => (ctx.removeHeader("X-SPAM"), next()));
  const result = await runPhase([look, edit, look, remove, look], "data", { message: TEXT });
  assertEquals(String(result.reply), "250 2.0.0 OK", JSON.stringify(result.decisions));
  assertEquals(seen, [
    "Received=from a; Subject=one; X-Spam=no; Subject=two",
    "one",
    "no",
    "X-Spam=yes; Subject=new; Received=from a; X-Spam=no",
    "new",
    "yes",
    "Subject=new; Received=from a",
    "new",
    "-",
  ]);
  assertEquals(result.output, "Subject: new\r\nReceived: from a\r\n\r\nbody\r\n");
});

Deno.test("a field is replaced where it stands, and who comes after sees it there", async () => {
  const seen: string[] = [];
  const look = on("data", (ctx, next) => (seen.push(names(ctx.message)), next()));
  const replace = on("data", (ctx, next) => (ctx.replaceHeader("subject", "three\r\nBcc: x"), next()));
  const result = await runPhase([replace, look], "data", { message: TEXT });
  assertEquals(seen, ["Received=from a; subject=three Bcc: x; X-Spam=no"]);
  assertEquals(result.output, "Received: from a\r\nsubject: three Bcc: x\r\nX-Spam: no\r\n\r\nbody\r\n");
  const wrong = on("data", (ctx, next) => (ctx.replaceHeader("not a name", "x"), next()));
  assertEquals((await runPhase(wrong, "data", { message: TEXT })).reply.code, 451);
});

Deno.test("a spilled message: the header from its head, the octets from the spool", async () => {
  const whole = memoryBody(`Subject: x\n\n${"y".repeat(3000)}\n`), octets = whole.memory!;
  let streams = 0;
  const spilled: Body = {
    ...whole,
    memory: null,
    head: octets.subarray(0, 100),
    stream: () => (streams++, ReadableStream.from([octets.subarray(0, 1000), octets.subarray(1000)])),
  };
  const message = new ReceivedMessage(spilled, "8BITMIME");
  assertEquals([message.header("subject"), message.size, message.bodyType, streams], [
    "x",
    octets.length,
    "8BITMIME",
    0,
  ]);
  assertEquals(await message.bytes(), octets);
  await assertRejects(() => message.bytes({ max: 2999 }), RangeError);
  const cut = new ReceivedMessage(
    { ...spilled, stream: () => ReadableStream.from([octets.subarray(0, 1000)]) },
    "7BIT",
  );
  await assertRejects(() => cut.bytes(), Error, "the spool gave 1000 of");
});

Deno.test("the same edits give the same message, and none give the message itself", () => {
  const message = new ReceivedMessage(memoryBody(TEXT), "7BIT");
  const none: HeaderEdits = { prepend: "", drop: [] }, some: HeaderEdits = { prepend: "A: 1\r\n", drop: [[0, 18]] };
  assertEquals(message.edited(none) === message, true);
  assertEquals(message.edited(some) === message.edited(some), true);
  assertEquals(names(message.edited(some)), "A=1; Subject=one; X-Spam=no; Subject=two");
});
