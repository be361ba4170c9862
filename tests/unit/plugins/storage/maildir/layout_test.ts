import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { escapeName, parseLayout } from "../../../../../plugins/storage/maildir/layout.ts";

const place = parseLayout("{domain}/{local}/Maildir");
const at = (local: string, domain = "example.org") => place({ local, domain });

Deno.test("an address has a folder below the root", () => {
  const table: [local: string, path: string][] = [
    ["joe", "example.org/joe/Maildir"],
    ["Joe.Smith", "example.org/joe.smith/Maildir"],
    ["joe+tag", "example.org/joe+tag/Maildir"],
    ["..", "example.org/%2E./Maildir"],
    [".", "example.org/%2E/Maildir"],
    [".hidden", "example.org/%2Ehidden/Maildir"],
    ["../../etc/passwd", "example.org/%2E.%2F..%2Fetc%2Fpasswd/Maildir"],
    ["a/b", "example.org/a%2Fb/Maildir"],
    ["a\0b", "example.org/a%00b/Maildir"],
    ["a%2Fb", "example.org/a%252fb/Maildir"],
    ["a b", "example.org/a%20b/Maildir"],
    ["a@b", "example.org/a%40b/Maildir"],
    ["Zoë", "example.org/zo%C3%AB/Maildir"],
    ["Zoe\u0308", "example.org/zo%C3%AB/Maildir"], // the same letter, decomposed
    ["$(reboot)", "example.org/%24%28reboot%29/Maildir"],
  ];
  for (const [local, path] of table) assertEquals(at(local), path);
  assertEquals(at("joe", "[IPv6:2001:db8::1]"), "%5Bipv6%3A2001%3Adb8%3A%3A1%5D/joe/Maildir");
  assertEquals(at("postmaster", ""), "%/postmaster/Maildir");
});

Deno.test("no domain can make a name of dots", () => {
  assertEquals(parseLayout("..{domain}/{local}")({ local: "a", domain: "" }), "%../a");
  assertEquals(parseLayout(".{domain}")({ local: "a", domain: "" }), "%.");
});

Deno.test("a layout that could leave the root or mix up addresses is refused", () => {
  const bad = ["", "/x", "x/", "a//b", "../{local}", "a/../{local}", "./{local}", "{user}", "{local", "a}b"];
  const mixed = ["{local}{domain}", "{local}-{domain}", "mail%/{local}", "bücher/{local}"];
  for (const text of [...bad, ...mixed]) assertThrows(() => parseLayout(text), TypeError, "layout");
  assertEquals(parseLayout("{local}@{domain}")({ local: "a@b", domain: "c" }), "a%40b@c");
});

Deno.test("a name too long for the file system is cut and stays its own", () => {
  const both = parseLayout("{local}@{domain}");
  const domain = `${"d".repeat(63)}.${"e".repeat(63)}.${"f".repeat(63)}.example`;
  const [a, b] = ["\u{1f600}".repeat(16), "\u{1f600}".repeat(15) + "x"].map((local) => both({ local, domain }));
  for (const path of [a!, b!]) assert(new TextEncoder().encode(path).length <= 255, path);
  assert(a !== b);
  assert(/^(?:[^%]|%[0-9A-F]{2})*%~[0-9a-f]{40}$/.test(a!), a);
});

const anyText = fc.oneof(fc.string({ unit: "binary", minLength: 1 }), fc.string({ minLength: 1 }));
const fold = (text: string) => text.toLowerCase().normalize("NFC");

Deno.test("property: any address stays below the root, on a level of its own", () => {
  fc.assert(fc.property(anyText, anyText, (local, domain) => {
    const names = at(local, domain).split("/");
    assertEquals(names.length, 3);
    for (const name of names) {
      assert(name !== "" && name !== "." && name !== ".." && name.length <= 255, name);
      assert(/^[ -~]+$/.test(name), name);
      assert(names[2] === name || !name.startsWith("."), name);
    }
  }));
});

Deno.test("property: different addresses have different folders, but for case and composition", () => {
  const layouts = ["{domain}/{local}/Maildir", "{local}@{domain}", "{local}/{domain}"].map(parseLayout);
  const texts = fc.tuple(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }));
  const near = fc.tuple(fc.stringMatching(/^[aA.%@/\0-]{0,4}$/), fc.stringMatching(/^[aA.%@/\0-]{0,4}$/));
  // Strings that are not well formed cannot come from UTF-8.
  const address = fc.oneof(texts, near).filter(([a, b]) => a.isWellFormed() && b.isWellFormed());
  fc.assert(
    fc.property(address, address, ([local, domain], [local2, domain2]) => {
      const same = fold(local) === fold(local2) && fold(domain) === fold(domain2);
      for (const layout of layouts) {
        assertEquals(layout({ local, domain }) === layout({ local: local2, domain: domain2 }), same);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("property: an escaped name can be read back", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()), (text) => {
    assertEquals(decodeURIComponent(escapeName(text)), fold(text));
  }));
});
