/** Where the lines are, in the words that the page of a story reads back. */
import { assertEquals } from "@std/assert";
import { gatesOf } from "../../../../../core/admin/ui/explain/gates.ts";
import { SPAM_LIMITS, type SpamLimits } from "../../../../../plugins/content/spam_score/key.ts";
import { step, story } from "../../../admin/stories.ts";

Deno.test("limits are told so that a story has them again", () => {
  const rows: readonly (readonly [SpamLimits, number | null, number | null])[] = [
    [{ quarantine: 6, reject: 12 }, 6, 12],
    [{ quarantine: 4.5, reject: Infinity }, 4.5, null],
    [{ quarantine: Infinity, reject: Infinity }, null, null],
  ];
  for (const [limits, held, refused] of rows) {
    const facts = [[SPAM_LIMITS.name, SPAM_LIMITS.tell!(limits)]] as const;
    assertEquals(gatesOf(story(1, { steps: [step("data", "spam", { facts })] })), { plugin: "spam", held, refused });
  }
});
