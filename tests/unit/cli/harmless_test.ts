/** What commands print as JSON, on a terminal that a peer would like to move about on. */
import { assert, assertEquals } from "@std/assert";
import { Findings } from "../../../cli/doctor/finding.ts";
import { harmless } from "../../../cli/screen/text.ts";

Deno.test("JSON on a terminal: nothing but text, and the same value", () => {
  const value = {
    helo: "\u009b31m\u0090x\u009c \u202eevil\u2066 \u001b]0;t\u0007 \u007f",
    name: "Grüße 漢字 \u{1f389}",
  };
  for (const json of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
    const shown = harmless(json);
    assertEquals(JSON.parse(shown), value);
    assert(!/[^\P{C}\n]/u.test(shown), shown);
    assert(shown.includes("Grüße 漢字 \u{1f389}"));
  }
  assertEquals(harmless("\u001b[31mred\u001b[0m\n"), "\u001b[31mred\u001b[0m\n");
});

Deno.test("doctor: a record to publish that was made of a stranger's is text", () => {
  const findings = new Findings("SPF");
  findings.wrong("x", { publish: { name: "a.example", type: "TXT", value: "v=spf1 \u001b[2J\u009bm -all" } });
  assertEquals(findings.list[0]!.publish[0]!.value, "v=spf1 ?[2J?m -all");
});
