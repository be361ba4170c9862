/** The shortest plugin there is, whose name is `on(mail)`, runs in a sandbox as outside of one. */
import { assertEquals } from "@std/assert";
import { simulate } from "postern";
import { sandboxed } from "../../../core/sandbox/sandboxed.ts";

Deno.test("a plugin by on() runs in a sandbox", async () => {
  const plugin = await sandboxed(new URL("./plugins/shortest.ts", import.meta.url));
  try {
    const { reply } = await simulate([plugin], { from: "a@example.org", to: "b@example.net" });
    assertEquals([plugin.name, String(reply)], ["on(mail)", "550 5.7.1 No mail today"]);
  } finally {
    await plugin.stop?.();
  }
});
