/** What the document of the API says of errors on purpose. Non-job: the routes (chaos.ts). */
import { array, boolean, integer, type Json, json, object, operation, ref, string } from "./terms.ts";

const RULE: Json = {
  phase: { type: "string", enum: ["connect", "helo", "auth", "mail", "rcpt", "data"], default: "rcpt" },
  to: string('Only for these recipients (in rcpt and data): an address, "full@*", "*@example.org".'),
  from: string('Only for these senders (from mail on); "<>" is the null sender.'),
  user: string("Only for who logs in by this name (in auth)."),
  ip: string("Only for clients from there: an address, or a network."),
  answer: string('A refusal such as "450 4.2.1 Mailbox full"; "hang up", without a word; "pass", to only wait.'),
  delay: string("Wait so long before the answer: 5s, at most 2m."),
  rate: { type: "number", exclusiveMinimum: 0, maximum: 1, default: 1, description: "0.1 is one in ten." },
  times: { type: "integer", minimum: 1, maximum: 1000, description: "Only so often for each sender and recipient." },
  on: boolean("False: the rule rests."),
};
const SET = json("The rules that are set now.", object({ rules: array(ref("UsedChaosRule")) }));

export const CHAOS_SCHEMAS: Json = {
  ChaosRule: object(RULE, ["answer"]),
  UsedChaosRule: object({ ...RULE, used: integer("How often it was used.") }, [
    "phase",
    "answer",
    "rate",
    "on",
    "used",
  ]),
};
export const CHAOS_PATHS: Record<string, Json> = {
  "/api/v1/chaos": {
    get: operation("Errors on purpose that are set, and how often each was used", { tag: "chaos", ok: SET }),
    put: operation("Set errors on purpose, in the place of those that are set; they hold for a week", {
      tag: "chaos",
      body: object({ rules: { ...array(ref("ChaosRule")), maxItems: 50 } }),
      ok: SET,
      faults: [400, 403, 409, 413, 415],
    }),
    delete: operation("No errors on purpose any more", { tag: "chaos", ok: SET, faults: [403, 409] }),
  },
};
