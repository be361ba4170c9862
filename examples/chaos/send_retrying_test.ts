/** The same in a test suite: each case has a difficult server of its own, on a free port. */
import { assertEquals, assertRejects } from "@std/assert";
import { createServer } from "postern";
import { sendRetrying } from "./send_retrying.ts";

const chaos = (...rules: object[]) => createServer({ plugins: [{ chaos: { rules } }] });

Deno.test("what is refused for now is sent again, and arrives once", async () => {
  await using server = await chaos({ answer: "451 4.7.1 Greylisted", times: 2 });
  assertEquals(await sendRetrying("you@example.net", { ...at(server), wait: 1 }), 3);
  assertEquals((await server.messages()).length, 1);
});

Deno.test("what is refused for good is not sent again", async () => {
  await using server = await chaos({ answer: "550 5.1.1 No such user" });
  let attempts = 0;
  server.observe((event) => event.type === "session-opened" && attempts++);
  await assertRejects(() => sendRetrying("you@example.net", { ...at(server), wait: 1 }), Error, "No such user");
  assertEquals(attempts, 1);
});

const at = ({ host, port }: { readonly host: string; readonly port: number }) => ({ host, port });
