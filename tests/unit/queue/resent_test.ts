/** A message that is sent on: its own octets behind Resent- fields, as mail of the site to one address. */
import { assertEquals, assertMatch } from "@std/assert";
import { parseAddress } from "../../../core/model/address.ts";
import { resent } from "../../../core/queue/resent.ts";
import { PLAIN, TestStore } from "../admin/fixture.ts";

Deno.test("a message that is sent on keeps its octets, its alphabet and its way", async () => {
  const store = new TestStore(), id = await store.deliver(PLAIN);
  const { message } = (await store.inboxes.get(id))!;
  const octets = await new Response(await store.received(id)).bytes();
  const options = {
    from: parseAddress("dev@example.org")!,
    to: parseAddress("you@example.net")!,
    at: Date.UTC(2026, 10, 30, 12),
    listener: "127.0.0.1:2525",
    hostname: "mx.example.org",
  };
  for (
    const [parameters, via, expected] of [
      [{}, null, ["7BIT", false, { to: "remote" }]],
      [{ body: "8BITMIME", smtputf8: true }, "hop", ["8BITMIME", true, { to: "remote", via: "hop" }]],
    ] as const
  ) {
    const row = resent({ ...message, parameters: { ...message.parameters, ...parameters } }, octets, {
      ...options,
      via,
    });
    const text = new TextDecoder().decode(row.content), [recipient] = row.message.recipients;
    const { body, smtputf8 } = row.message.parameters, found: unknown[] = [body, smtputf8, recipient!.route];
    assertEquals(found, [...expected]);
    assertEquals([row.message.sender, recipient!.address, recipient!.parameters.notify], [
      options.from,
      options.to,
      null,
    ]);
    assertMatch(
      text,
      /^Resent-Date: Mon, 30 Nov 2026 12:00:00 \+0000\r\nResent-From: <dev@example\.org>\r\nResent-To: <you@example\.net>\r\nResent-Message-ID: <\w{26}@mx\.example\.org>\r\nFrom: CI/,
    );
    assertEquals(text.endsWith(new TextDecoder().decode(octets)), true);
    assertEquals(row.message.id === id, false);
  }
});
