/** The listening socket: shares, drain, and running out of descriptors is tests/e2e/hostile_crowd_test.ts. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Networks } from "../../../core/model/ip.ts";
import { ConnectionLimits } from "../../../core/net/limits.ts";
import { Listener, ListenError } from "../../../core/net/listener.ts";
import { SmtpClient } from "../../support/smtp_client.ts";
import { waitFor } from "../../support/wait.ts";

async function listen(limits: ConnectionLimits, port = 0) {
  const refused: string[] = [];
  const listener = await Listener.open({
    address: { host: "127.0.0.1", port },
    limits,
    accept: (socket) => {
      socket.on("error", () => {});
      socket.on("end", () => socket.end());
      socket.resume();
      socket.write("220 hello\r\n");
      return { drain: () => socket.end("421 4.3.2 bye\r\n"), destroy: () => socket.destroy() };
    },
    refusal: (why, ip) => {
      refused.push(`${why} ${ip}`);
      return "421 4.7.0 Too many\r\n";
    },
    trouble: () => {},
  });
  return { listener, refused, port: Number(listener.address.split(":")[1]) };
}

Deno.test("case 36: an address beyond its share is 421 4.7.0 and let go; a place that is left is free again", async () => {
  const limits = new ConnectionLimits({ connections: 10, perIp: 3, exempt: new Networks([]) });
  const { listener, refused, port } = await listen(limits);
  const open: SmtpClient[] = [];
  for (let i = 0; i < 3; i++) {
    const client = await SmtpClient.connect(port);
    await client.expect(220);
    open.push(client);
  }
  using fourth = await SmtpClient.connect(port);
  assertMatch((await fourth.expect(421)).raw, /^421 4\.7\.0 /);
  assertEquals(await fourth.closed(), "");
  assertEquals([refused, listener.connections, limits.total], [["share 127.0.0.1"], 3, 3]);
  open.pop()!.close();
  await waitFor("the place", () => limits.total === 2);
  using fifth = await SmtpClient.connect(port);
  await fifth.expect(220);
  for (const each of [...open, fifth]) each.close();
  await waitFor("the places", () => limits.total === 0 && listener.connections === 0);
  await listener.drain(1000);
});

Deno.test("case 78: a drain says 421, waits for who is slow, and cuts what is left in bounded time", async () => {
  const limits = new ConnectionLimits({ connections: 10, perIp: 10, exempt: new Networks([]) });
  const { listener, port } = await listen(limits);
  using client = await SmtpClient.connect(port);
  await client.expect(220);
  const start = performance.now();
  const drained = listener.drain(300);
  await client.expect(421);
  await drained; // the client never closes its side
  assertEquals(performance.now() - start < 2000, true);
  await waitFor("the places", () => limits.total === 0);
});

Deno.test("a port in use is one sentence that says what to do", async () => {
  const limits = new ConnectionLimits({ connections: 10, perIp: 10, exempt: new Networks([]) });
  const { listener, port } = await listen(limits);
  await assertRejects(() => listen(limits, port), ListenError, `127.0.0.1:${port} is in use: `);
  await listener.drain(100);
});
