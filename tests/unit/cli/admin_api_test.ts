/** How commands wait for a running server: a change of a large queue takes its time. */
import { assertEquals, assertRejects } from "@std/assert";
import { AdminApi } from "../../../cli/admin_api.ts";
import { CommandError } from "../../../cli/terminal.ts";

Deno.test("a server that does not answer in time: the command ends, and does not say that nothing was done", async () => {
  const over = Promise.withResolvers<Response>();
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => over.promise,
  );
  const api = new AdminApi(`http://127.0.0.1:${server.addr.port}`, null, 20);
  await assertRejects(() => api.call("POST", "/api/v1/queue/hold?state=ready"), CommandError, "may still be done");
  over.resolve(new Response());
});

Deno.test("somebody else at the server's place: one line, whatever is answered and for however long", async () => {
  const endless = () =>
    new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024).fill(0x20)) });
  const answers: readonly (readonly [() => Response, RegExp | null])[] = [
    [() => new Response("<html>hello</html>"), /is another server there/],
    [() => new Response("[".repeat(100_000)), /is another server there/],
    [() => new Response(endless()), /is another server there/],
    [() => new Response(endless(), { status: 500 }), /answered 500/],
    [() => new Response(null, { status: 204 }), null],
    [() => new Response(""), null],
  ];
  let answer = answers[0]![0];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => answer());
  const api = new AdminApi(`http://127.0.0.1:${server.addr.port}`, null, 60_000);
  for (const [next, says] of answers) {
    answer = next;
    if (says === null) assertEquals(await api.call("GET", "/"), null);
    else {
      const error = await assertRejects(() => api.call("GET", "/"), CommandError);
      assertEquals([says.test(error.message), error.message.includes("\n")], [true, false], error.message);
    }
  }
});
