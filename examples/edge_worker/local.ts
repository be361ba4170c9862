/** The worker of this folder in workerd, the platform's own runtime, on this machine: `EDGE` is where, `DNS` whom it asks. */
import { Miniflare } from "miniflare";

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
