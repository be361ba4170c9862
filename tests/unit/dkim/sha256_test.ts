
Deno.test("the runtime's own hash, where a server gives it, is the same one", async () => {
  const { hash } = await import("node:crypto");
  const ours = await Promise.all([0, 1, 2000, 10_000].map((size) => sha256(new Uint8Array(size).fill(7))));
  let asked = 0;
  useSha256((octets) => (asked++, new Uint8Array(hash("sha256", octets, "buffer"))));
  const theirs = await Promise.all([0, 1, 2000, 10_000].map((size) => sha256(new Uint8Array(size).fill(7))));
  assertEquals([theirs, asked], [ours, 4]);
});
