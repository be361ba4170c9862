/** The worker of this folder in workerd, the platform's own runtime, on this machine: `EDGE` is where, `DNS` whom it asks. */
// deno-lint-ignore no-import-prefix
import { Miniflare } from "npm:miniflare@4.20260730.0"; // 160 MB: fetched by whoever starts this, and nobody else

const [host = "127.0.0.1", port = "8787"] = (Deno.env.get("EDGE") ?? "127.0.0.1:8787").split(":");
const entry = new URL("worker.ts", import.meta.url).pathname;
const { stdout, success } = await new Deno.Command(Deno.execPath(), {
  args: ["bundle", "--quiet", "--platform", "browser", entry],
  stderr: "inherit",
}).output();
if (!success) Deno.exit(1);

const miniflare = new Miniflare({
  modules: [{ type: "ESModule", path: "worker.js", contents: new TextDecoder().decode(stdout) }],
  bindings: { FORWARD_TO: "ann@example.com", DNS: Deno.env.get("DNS") ?? "https://cloudflare-dns.com/dns-query" },
  compatibilityDate: "2026-07-01",
  unsafeTriggerHandlers: true, // POST /cdn-cgi/handler/email is the platform's event
  host,
  port: Number(port),
});
console.log(`It takes mail at ${await miniflare.ready}cdn-cgi/handler/email`);
