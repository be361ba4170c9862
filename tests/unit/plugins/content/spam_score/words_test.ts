import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Phrases } from "../../../../../plugins/content/spam_score/phrases.ts";
import {
  BANGS,
  eachWord,
  hashOf,
  NUMBER,
  SHOUTED,
  WORD,
  wordsOf,
} from "../../../../../plugins/content/spam_score/words.ts";

const KINDS = new Map([[SHOUTED, ":shouted"], [NUMBER, ":number"], [BANGS, ":bang"], [WORD, ""]]);

function words(text: string): string[] {
  const found: string[] = [];
  eachWord(text, (_, start, end, kind) => found.push(text.slice(start, end) + KINDS.get(kind)));
  return found;
}

Deno.test("text is cut into words", () => {
  const table: [text: string, words: string[]][] = [
    ["Hello, world", ["Hello", "world"]],
    ["don't e-mail me.", ["don't", "e-mail", "me"]],
    ["FREE money!!", ["FREE:shouted", "money", "!!:bang"]],
    ["OK", ["OK"]],
    ["$1,000 and 50%", ["$1,000:number", "and", "50%:number"]],
    ["a@b.example", ["a@b.example"]],
    ["Größe Привет", ["Größe", "Привет"]],
    ["日本", ["日", "本"]],
    ["v\u200bi\u200bagra", ["v\u200bi\u200bagra"]],
    ["...", []],
    ["a-", ["a"]],
    ["", []],
  ];
  for (const [text, expected] of table) assertEquals(words(text), expected, text);
});

Deno.test("a word has the same hash in any case and with what nobody sees in it", () => {
  const hash = (text: string) => {
    const found: number[] = [];
    eachWord(text, (each) => found.push(each));
    return found;
  };
  assertEquals(hash("Viagra"), hash("v\u00adIAG\u200bRA"));
  assertEquals(hash("Größe"), hash("GRÖßE"));
  assertEquals(hash("ПРИВЕТ"), hash("привет"));
  assert(hash("viagra")[0] !== hash("viagre")[0]);
  assertEquals(hash("free"), [hashOf("free")]);
});

Deno.test("what is counted on the way", () => {
  const count = (text: string) => {
    const { words, large, letters, invisible, mixed } = eachWord(text, () => {});
    return [words, large, letters, invisible, mixed];
  };
  assertEquals(count("AB cd"), [2, 2, 4, 0, 0]);
  assertEquals(count("a\u200bb"), [1, 0, 2, 1, 0]);
  assertEquals(count("pаypal рaypal привет hello"), [4, 0, 23, 0, 2]);
});

Deno.test("property: words that are kept are the words that were told, whatever the text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 400 }), fc.nat(400), (text, most) => {
      const told: unknown[] = [], kept: unknown[] = [];
      const count = eachWord(text, (...word) => told.push(word), most);
      const words = wordsOf(text, most);
      words.each((...word) => kept.push(word));
      assertEquals(kept, told);
      assertEquals([words.words, words.letters], [count.words, count.letters]);
      for (const [, start, end] of told as [number, number, number][]) assert(start < end && end <= text.length);
    }),
  );
});

Deno.test("phrases are found whatever their case and what is between the words", () => {
  const phrases = new Phrases<string>();
  for (const phrase of ["click here", "click", "here now", "to be removed", "s.1618"]) phrases.add(phrase, phrase);
  const found = (text: string) => {
    const names: string[] = [];
    eachWord(text, phrases.walk((name) => names.push(name)));
    return names;
  };
  assertEquals(found("Please CLICK\r\n  here, now!"), ["click", "click here", "here now"]);
  assertEquals(found("click click here"), ["click", "click", "click here"]);
  assertEquals(found("to be or to be removed; S.1618"), ["to be removed", "s.1618"]);
  assertEquals(found("clicking here"), []);
  assertThrows(() => phrases.add("...", ""), TypeError);
  assertThrows(() => phrases.add("one two three four five six", ""), TypeError);
});
