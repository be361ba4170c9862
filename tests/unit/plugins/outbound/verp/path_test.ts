/** VERP: what is written reads back, and nothing else is read. */
import { assertEquals } from "@std/assert";
import { verpPath, verpRecipient } from "../../../../../plugins/outbound/verp/path.ts";

const list = { local: "list", domain: "l.example" };

Deno.test("a path reads back to its recipient, whatever the local part holds", () => {
  assertEquals(verpPath(list, { local: "bob", domain: "b.example" })?.local, "list+bob=b.example");
  for (const local of ["bob", "a+b", "a=b", "a b", 'q"@', ".x..y.", "é", "50%", "A.b"]) {
    const path = verpPath(list, { local, domain: "b.example" })!;
    assertEquals(verpRecipient(list, path), { local, domain: "b.example" });
  }
});

Deno.test("too long is refused, and so is what was not written so", () => {
  assertEquals(verpPath(list, { local: "x".repeat(60), domain: "b.example" }), null);
  for (
    const local of ["list", "list+", "list+a", "list+a=b=c", "list+a+zz=b.example", "list+a+62=b.example", "x+a=b.c"]
  ) {
    assertEquals(verpRecipient(list, { local, domain: "l.example" }), null, local);
  }
});
