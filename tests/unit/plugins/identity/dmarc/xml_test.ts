import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseXml, XmlError } from "../../../../../plugins/identity/dmarc/xml.ts";

Deno.test("elements, their text, and what stands between", () => {
  const root = parseXml(
    `\ufeff<?xml version="1.0"?>\n<!-- a <b> --><x:a xmlns:x="urn:x" q='>'>one &amp; &#x41;&#66;<b/><b >\n two </b ><![CDATA[ <c>&amp; ]]></x:a>\n<!-- end -->`,
  );
  assertEquals(root, {
    name: "a",
    text: "one & AB <c>&amp;",
    children: [{ name: "b", text: "", children: [] }, { name: "b", text: "two", children: [] }],
  });
});

Deno.test("what is no document, and what a document of strangers may not have", () => {
  const bomb = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>';
  const table: readonly [string, string][] = [
    ["", "no element"],
    ["text", "text outside"],
    ["<a></a><b/>", "more than one root"],
    ["<a></a>text", "text outside"],
    ["<a>", "no end"],
    ["<a", "no end"],
    ['<a b="', "no end"],
    ["<a></b>", "closes nothing"],
    ["</a>", "closes nothing"],
    ["<x:a></a>", "closes nothing"],
    ["< a/>", "no name"],
    ["<!-- x", "no end"],
    ["<? x", "no end"],
    ["<a><![CDATA[x</a>", "no end"],
    ["<a>&nbsp;</a>", "entity"],
    ["<a>&constructor;</a>", "entity"],
    ["<a>&amp</a>", "entity"],
    ["<a>&#0;</a>", "entity"],
    ["<a>&#x110000;</a>", "entity"],
    [bomb, "document type"],
    ['<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"],
    ["<!doctype a><a/>", "document type"],
    ["<a><!ENTITY x 'y'></a>", "document type"],
    ["<a>".repeat(40), "32 deep"],
  ];
  for (const [text, why] of table) {
    const error = assertThrows(() => parseXml(text), XmlError);
    assert(error.message.includes(why), `${text}: ${error.message}`);
  }
  assertThrows(() => parseXml(`<a>${"<b/>".repeat(20)}</a>`, { elements: 20 }), XmlError, "more than 20 elements");
});

Deno.test("documents made to hurt cost no more than their length", () => {
  const started = performance.now();
  for (const part of ["<", "&", "<a>", "<!--", "<a b='", "<![CDATA[", "]]>", "<a/>", "&amp;", "<é", "a".repeat(1000)]) {
    try {
      parseXml(`<a>${part.repeat(1_000_000 / part.length)}`);
    } catch (error) {
      assert(error instanceof XmlError);
    }
  }
  assert(performance.now() - started < 20_000);
});
