/** Tag lists by RFC 6376 3.2, and what is none. */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { parseTagList, TagListError } from "../../../core/dkim/tag_list.ts";

Deno.test("RFC 6376 3.2: tag lists, with white space where it may stand", () => {
  const table: [text: string, tags: [string, string][]][] = [
    ["", []],
    ["a=1", [["a", "1"]]],
    ["a=1;", [["a", "1"]]],
    ["a=1; ", [["a", "1"]]],
    [" a = 1 ;\tb_2\t=  x y = z ", [["a", "1"], ["b_2", "x y = z"]]],
    ["p=; n=", [["p", ""], ["n", ""]]],
    ["a=1;A=2", [["a", "1"], ["A", "2"]]], // names are case-sensitive
    ["d=b\u00fccher.example", [["d", "b\u00fccher.example"]]], // RFC 8616 3
  ];
  for (const [text, tags] of table) assertEquals([...parseTagList(text)], tags, text);
});

Deno.test("what is no tag list", () => {
  const table = [
    "a",
    "a; b=1",
    "a=1;;b=2",
    "a=1; ;",
    ";",
    " ",
    "=1",
    "1=a",
    "a-b=1",
    "a b=1",
    "a=1; a=2",
    "a=\u0000",
    "a=\u000b1",
    "a=1\r",
    "a=1\n b=2",
    `a=${"x".repeat(70_000)}`,
    Array.from({ length: 101 }, (_, at) => `t${at}=`).join(";"),
  ];
  for (const text of table) assertThrows(() => parseTagList(text), TagListError);
});

Deno.test("any text: a list whose writing is the same list, or an error of its kind", () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(..."ab=; \t1_\u00e9"), maxLength: 30 }), (text) => {
    let tags;
    try {
      tags = parseTagList(text);
    } catch (error) {
      assertEquals((error as Error).name, "TagListError");
      return;
    }
    assertEquals(parseTagList([...tags].map(([name, value]) => `${name}=${value}`).join(";")), tags);
  }));
});
