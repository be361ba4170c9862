/** Identifiers. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { newId, readId, shortId } from "../../../core/model/id.ts";

Deno.test("identifiers sort by their moment and never repeat", () => {
  fc.assert(fc.property(fc.nat(2 ** 45), fc.nat(2 ** 45), (a, b) => {
    const one = newId(a), other = newId(b);
    assert(one !== other);
    if (a !== b) assertEquals(one < other, a < b);
  }));
  const ids = new Set(Array.from({ length: 10_000 }, () => newId(1)));
  assertEquals(ids.size, 10_000);
});

Deno.test("an identifier is read as a person types it", () => {
  const id = newId(Date.now());
  assertEquals(id.length, 26);
  assertEquals(readId(` ${id.toLowerCase()} `), id);
  assertEquals(readId("oil45678901234567890123456"), "01145678901234567890123456");
  for (const bad of ["", "1", `${id}0`, id.slice(1), id.replace(/.$/, "U"), id.replace(/.$/, "-")]) {
    assertEquals(readId(bad), null, bad);
  }
  assertEquals(shortId("01ARZ3NDEKTSV4RRFFQ69G5FAV"), "Q69G5FAV");
});

Deno.test("an identifier of a moment before 1970 or beyond sense is still one", () => {
  for (const moment of [-1, 0, 0.5, 2 ** 53]) assertEquals(readId(newId(moment))?.length, 26);
});
