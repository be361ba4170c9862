/** Its tests: each takes the mail in by a server of its own, on a free port, with nothing on the disk. */
import assert from "node:assert/strict";
import { createServer } from "postern";
import { signUp } from "./signup.ts";

Deno.test("who signs up gets a code", async () => {
  await using server = await createServer();
  await signUp("you@example.net", server);

  const { subject, text, html, from } = await server.nextMessage({ to: "you@example.net" });
  assert.deepEqual([subject, from], ["Welcome", "Shop <shop@example.org>"]);
  const [, code] = /Your code is (\d{6})\./.exec(text!)!;
  assert.match(html!, new RegExp(`<b>${code}</b>`));
});

Deno.test("each gets a code of his own, in whatever order they come", async () => {
  await using server = await createServer();
  await Promise.all([signUp("ann@example.net", server), signUp("ben@example.net", server)]);

  const ben = await server.nextMessage({ to: "ben@example.net" }), ann = await server.nextMessage();
  assert.deepEqual([ben.to, ann.to], ["ben@example.net", "ann@example.net"]);
});

Deno.test("an address that is not there is told to the caller", async () => {
  await using server = await createServer({ plugins: ["chaos"] }); // reject-550-5.1.1@ asks for just that
  await assert.rejects(signUp("reject-550-5.1.1@example.net", server), /550 5\.1\.1/);
  assert.deepEqual(await server.messages(), []);
});
