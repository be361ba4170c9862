/** SHA-256 by the runtime, where a server gives it. Non-job: ours in pieces (canonical_test.ts). */
import { assertEquals } from "@std/assert";
import { sha256, useSha256 } from "../../../core/dkim/sha256.ts";

Deno.test("the runtime's own hash, where a server gives it, is the same one", async () => {
  const { hash } = await import("node:crypto");
  const ours = await Promise.all([0, 1, 2000, 10_000].map((size) => sha256(new Uint8Array(size).fill(7))));
  let asked = 0;
  useSha256((octets) => (asked++, new Uint8Array(hash("sha256", octets, "buffer"))));
  const theirs = await Promise.all([0, 1, 2000, 10_000].map((size) => sha256(new Uint8Array(size).fill(7))));
  assertEquals([theirs, asked], [ours, 4]);
});
