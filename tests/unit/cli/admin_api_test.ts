/** How commands wait for a running server: a change of a large queue takes its time. */
import { assertRejects } from "@std/assert";
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
