/**
 * The isemail address suite as far as RFC 5321 is concerned. The suite judges addresses by RFC 5322, where comments,
 * folding and old forms are allowed; a path of SMTP (RFC 5321 4.1.2) has none of these, so a category decides.
 */
import { assertEquals, assertGreater } from "@std/assert";
import { parsePath } from "../../core/model/address.ts";
import { readVectors } from "../support/vectors.ts";

interface Case {
  readonly address: string;
  readonly category: string;
  readonly diagnosis: string;
}

/** Good in an SMTP path, without exception; all other categories are RFC 5322's alone, or errors. */
const ACCEPTED = new Set([
  "ISEMAIL_VALID_CATEGORY",
  "ISEMAIL_DNSWARN", // the name has no record today: not a matter of syntax
  "ISEMAIL_RFC5321", // good for SMTP though unusual: quoted, address literal, one label, numeric top label
]);

const cases = readVectors<Case[]>("isemail/test/tests.json");

Deno.test({
  name: "isemail: every case has the answer of RFC 5321",
  ignore: cases === null,
  fn() {
    const wrong = cases!.filter(({ address, category }) => {
      // The suite writes control characters as the pictures of U+2400.
      const text = address.replace(/[\u2400-\u241f]/g, (char) => String.fromCharCode(char.charCodeAt(0) - 0x2400));
      const path = parsePath(`<${text}>`, 0);
      const accepted = path.fault === undefined && path.address !== null && path.end === text.length + 2;
      return accepted !== ACCEPTED.has(category);
    });
    assertEquals(wrong, []);
    assertGreater(cases!.length, 150);
  },
});
