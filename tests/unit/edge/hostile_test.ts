/** An edge host against peers that want to hurt: pieces, headers and signatures that cost, and answers that would go in circles. */
import { assertEquals, assertRejects } from "@std/assert";
import { MemoryResolver } from "postern";
import { edgeHost, type EventDelivery, keep, type MessageHostOptions } from "postern/edge";
import { takeIn } from "../../../core/edge/intake.ts";
import { signatureHeaders } from "../../../core/webhooks/signature.ts";
import { eventOf } from "./events.ts";

const base = { host: { name: "edge.example.org" }, plugins: [], dns: new MemoryResolver({}), log: () => {} };
const KEY = new Uint8Array(32).fill(7), POSTED = "https://edge.example.org/?from=amy@example.net&to=ann@example.org";
const host = (options: Partial<MessageHostOptions> = {}) => edgeHost({ ...base, deliver: keep(() => {}), ...options });

/** Octets that count up, in pieces of these sizes, and whether anybody asked for them. */
function pieces(sizes: readonly number[]) {
  let at = 0, count = 0;
  const asked = { times: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      asked.times++;
      const size = sizes[count++];
      if (size === undefined) return controller.close();
      controller.enqueue(Uint8Array.from({ length: size }, () => at++));
    },
    cancel: () => void (asked.cancelled = true),
  }, { highWaterMark: 0 });
  return { stream, asked };
}

Deno.test("pieces of every size come to the same octets", async () => {
  const sizes = [1, 0, 65_535, 1, 65_536, 3, 200_000, ...Array.from({ length: 70_000 }, () => 1), 65_535, 2];
  const total = sizes.reduce((sum, each) => sum + each, 0);
  const taken = await takeIn(pieces(sizes).stream, { most: total, size: total });
  assertEquals(taken, Uint8Array.from({ length: total }, (_, index) => index));
  assertEquals(await takeIn(pieces(sizes).stream, { most: total - 1 }), "size");
});

Deno.test("a body that never ends is given up", async () => {
  const silent = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(9)) });
  assertEquals(await takeIn(silent, { most: 100, patience: 30 }), "late");
});

Deno.test("nobody's body is read whose headers show that no signature can hold", async () => {
  const signed = host({ auth: { signed: [`whsec_${KEY.toBase64()}`] } });
  const old = Math.floor(Date.now() / 1000) - 3600;
  for (const headers of [{}, signatureHeaders({ id: "1", timestamp: old, body: "" }, [KEY])]) {
    const { stream, asked } = pieces([10]);
    const response = await signed.fetch(
      new Request(POSTED, { method: "POST", body: stream, headers: new Headers(headers as HeadersInit) }),
    );
    assertEquals([response.status, asked.times], [401, 0]);
  }
});

Deno.test("a header of a mebibyte is read, a larger one is refused without it", async () => {
  const most = 1024 * 1024, field = "A: b\r\n", many = field.repeat(Math.floor((most - 2) / field.length));
  const exact = `${many.slice(0, -2)}${"b".repeat(most - 2 - many.length)}\r\n\r\n`;
  assertEquals(exact.length, most);
  for (
    const [message, refused] of [
      [`${exact}body`, null],
      [`${field.slice(0, -2)}c\r\n${exact}`, "5.3.4 Header too big"],
      [field.repeat(3_000_000), "5.3.4 Header too big"],
      ["x".repeat(2 * most), null], // no field at all: it is a body
    ] as const
  ) {
    const { event, done } = eventOf(new TextEncoder().encode(message));
    await host().email(event, {});
    assertEquals(done.rejected?.replace(/ \(ref .*/, "") ?? null, refused);
  }
});

class Letter {
  constructor(readonly from: string, readonly to: string, readonly raw: string) {}
}
const answering: EventDelivery = { carries: "x-fields", deliver: (mail) => mail.reply("Subject: Away\r\n\r\nBye\r\n") };

Deno.test("an answer says that a machine wrote it, and nobody answers machines, lists or itself", async (t) => {
  const { email } = edgeHost({ ...base, deliver: answering, emailMessage: Letter });
  const { event, done } = eventOf("Subject: hello\r\n\r\n");
  await email(event, {});
  assertEquals(done.replied.map((each) => (each as Letter).raw), [
    "Auto-Submitted: auto-replied\r\nSubject: Away\r\n\r\nBye\r\n",
  ]);
  for (
    const [from, header] of [
      ["ann@example.org", ""],
      ["ANN@EXAMPLE.ORG", ""],
      ["mailer-daemon@example.net", ""],
      ["owner-cats@example.net", ""],
      ["amy@example.net", "Auto-Submitted: no\r\nAuto-Submitted: auto-replied\r\n"],
      ["amy@example.net", "List-Post: <mailto:cats@example.net>\r\n"],
      ["amy@example.net", "Precedence: first-class\r\nPrecedence: bulk\r\n"],
    ] as const
  ) {
    await t.step(`${from} ${JSON.stringify(header)}`, async () => {
      const { event, done } = eventOf(`${header}Subject: hello\r\n\r\n`, { from });
      await assertRejects(() => email(event, {}), Error, "451 4.3.0");
      assertEquals(done.replied, []);
    });
  }
});
