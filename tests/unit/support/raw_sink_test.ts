/** The recording mail server: where a message ends, what stood on the wire, and whether its answer was read. */
import { assertEquals } from "@std/assert";
import { latin1 } from "../../support/bytes.ts";
import { RawSink } from "../../support/raw_sink.ts";
import { SmtpClient } from "../../support/smtp_client.ts";
import { waitFor } from "../../support/wait.ts";

const OPEN = "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@f.example>\r\nDATA\r\n";
const WIRE = "..\r\n.\n.\r\r\n...x\r\n";

Deno.test("raw sink: only CRLF.CRLF ends a message, in any cut; dots are unstuffed, the wire is kept", async () => {
  await using sink = new RawSink();
  for (const size of [1, 2, 3, 5, 1000]) {
    for (const wire of [WIRE, ""]) {
      using client = await SmtpClient.ready(sink.port);
      await client.sendInPieces(`${OPEN}${wire}.\r\nNOOP\r\n`, size);
      for (const code of [250, 250, 250, 354, 250, 250]) await client.expect(code);
      const { from, to, ...taken } = sink.taken.at(-1)!;
      assertEquals([from, to, latin1(taken.wire)], ["a@b.example", ["c@d.example", "e@f.example"], wire]);
      assertEquals(latin1(taken.message), wire === "" ? "" : ".\r\n\n.\r\r\n..x\r\n");
    }
  }
});

Deno.test("raw sink: chunks are counted", async () => {
  await using sink = new RawSink({ extensions: ["CHUNKING"] });
  using client = await SmtpClient.ready(sink.port);
  await client.send("MAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nBDAT 5\r\n.\r\n.\nBDAT 0 LAST\r\n");
  for (const code of [250, 250, 250, 250]) await client.expect(code);
  assertEquals(sink.taken.map(({ from, message }) => [from, latin1(message)]), [["", ".\r\n.\n"]]);
});

Deno.test("raw sink: says and does at each step what the test wants", async () => {
  const steps: string[] = [];
  await using sink = new RawSink({
    answer: ({ step, argument, from }) => {
      steps.push(`${step} ${argument} ${from}`);
      if (argument === "e@f.example") return "550 5.1.1 No";
      return step === "taken" ? null : undefined;
    },
  });
  using client = await SmtpClient.ready(sink.port);
  await client.send(`${OPEN}Message-ID: <1@b.example>\r\n\r\n.\r\n`);
  for (const code of [250, 250, 550, 354]) await client.expect(code);
  assertEquals(await client.closed(), "");
  assertEquals(sink.taken.map(({ to }) => to), [["c@d.example"]]);
  assertEquals(steps, [
    ...["greeting  null", "ehlo client.example null", "mail a@b.example a@b.example"],
    ...["rcpt c@d.example a@b.example", "rcpt e@f.example a@b.example", "data  a@b.example"],
    ...["content  a@b.example", "dot 1@b.example a@b.example", "taken 1@b.example a@b.example"],
  ]);
});

Deno.test("raw sink: an answer is known when something comes behind it, be it the end", async () => {
  const known: number[] = [];
  await using sink = new RawSink({ known: (number) => void known.push(number) });
  const client = await SmtpClient.ready(sink.port);
  for (let number = 1; number <= 2; number++) {
    await client.send(`${OPEN}.\r\n`);
    for (const code of [250, 250, 250, 354, 250]) await client.expect(code);
    assertEquals(known.length, number - 1);
  }
  client.close();
  await waitFor("the end to be seen", () => known.length === 2);
  assertEquals(known, [1, 2]);
});
