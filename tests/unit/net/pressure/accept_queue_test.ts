/** Who waits outside, as the kernel tells: of sockets of our own that nobody takes connections from. */
import { assertEquals } from "@std/assert";
import { AcceptQueue } from "../../../../core/net/pressure/accept_queue.ts";
import { waitFor } from "../../../support/wait.ts";

const LINUX = Deno.build.os === "linux";

for (const [family, hostname] of [[4, "127.0.0.1"], [6, "::1"]] as const) {
  Deno.test({ name: `counts who waits on a port, IPv${family}`, ignore: !LINUX }, async () => {
    using listener = Deno.listen({ hostname, port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const other = new AcceptQueue(), queue = new AcceptQueue();
    queue.add(port, { family });
    other.add(port, { family: family === 4 ? 6 : 4 });
    const clients = [];
    for (let i = 0; i < 3; i++) clients.push(await Deno.connect({ hostname, port }));
    await waitFor("all three", () => queue.length() === 3);
    assertEquals(other.length(), 0);
    for (const client of clients) client.close();
  });
}

Deno.test({ name: "looks again only when that costs a hundredth of the time", ignore: !LINUX }, async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  let now = 0, cost = 2;
  const queue = new AcceptQueue(() => now += cost); // each look at the clock: so a look at the kernel seems to take 2 ms
  queue.add(port, { family: 4 });
  assertEquals(queue.length(), 0);
  using _client = await Deno.connect({ hostname: "127.0.0.1", port });
  cost = 0;
  now += 199;
  assertEquals(queue.length(), 0, "too early");
  now += 1;
  assertEquals(queue.length(), 1);
});
