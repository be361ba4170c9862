/** A name in a DN or a filter is a value: read back, it is what it was. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { EqualityFilter, FilterParser } from "ldapts";
import { escapeValue, fill } from "../../../../../plugins/auth/ldap_auth/escape.ts";

/** Names as they come here: no lone surrogates. */
const names = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom(
      "*",
      "(",
      ")",
      "\\",
      "\0",
      ",",
      "+",
      '"',
      "<",
      ">",
      ";",
      "#",
      "=",
      " ",
      "2a",
      "$&",
      "ü",
      "{user}",
    ),
  }),
).filter((name) => name !== "" && name.isWellFormed());

Deno.test("property: a filter with a name in it has one value there, which is the name", () => {
  fc.assert(fc.property(names, (name) => {
    const filter = FilterParser.parseString(fill("(uid={user})", name));
    assertEquals([filter.constructor, (filter as EqualityFilter).attribute], [EqualityFilter, "uid"]);
    assertEquals(String((filter as EqualityFilter).value), name);
  }));
});

Deno.test("property: in a DN nothing of a name is a separator, and each octet can be read back (RFC 4514 2.4, 3)", () => {
  fc.assert(fc.property(names, (name) => {
    const value = escapeValue(name);
    assertEquals(/^(?:[A-Za-z0-9._@\u0080-\uffff-]|\\[0-9a-f]{2})*$/.test(value), true, value);
    assertEquals(value.replace(/\\([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))), name);
  }));
});

Deno.test("every place of a template is filled, and nothing in a name is a place", () => {
  assertEquals(fill("(|(uid={user})(mail={user}@example.org))", "a*"), "(|(uid=a\\2a)(mail=a\\2a@example.org))");
  assertEquals(fill("uid={user}", "{user}"), "uid=\\7buser\\7d");
  assertEquals(fill("uid={user}", "$&$1"), "uid=\\24\\26\\241");
});
