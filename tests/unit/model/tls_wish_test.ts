/** REQUIRETLS and TLS-Required: No (RFC 8689). */
import { assertEquals } from "@std/assert";
import { tlsWish } from "../../../core/model/tls_wish.ts";

Deno.test("RFC 8689 5: the field says No, once, or nothing; REQUIRETLS counts more", () => {
  const field = (value: string, name = "TLS-Required") => ({ name, value });
  const rows: [fields: ReturnType<typeof field>[], expected: string][] = [
    [[], "usual"],
    [[field("No")], "optional"],
    [[field("Subject", "x"), field(" no ", "tls-required")], "optional"],
    [[field("Yes")], "usual"],
    [[field("")], "usual"],
    [[field("No, really")], "usual"],
    [[field("No"), field("No")], "usual"],
    [[field("No"), field("Yes")], "usual"],
    [[field("No", "X-TLS-Required")], "usual"],
  ];
  for (const [fields, expected] of rows) {
    assertEquals(tlsWish({}, fields), expected, JSON.stringify(fields));
    assertEquals(tlsWish({ requireTls: true }, fields), "required");
  }
});
