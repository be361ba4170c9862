/** What the document of the API says of the ledger: rows, stories, rates, audit. Times of it are milliseconds since 1970. */
import { COMMIT_BOUNDS, DELAY_BOUNDS } from "../../ledger/ledger.ts";
import { VERDICTS } from "../../ledger/story.ts";
import { array, boolean, inPath, integer, type Json, json, nullable, number, object, operation } from "./terms.ts";
import { query, ref, string } from "./terms.ts";

const at = (description = "") => integer(`Milliseconds since 1970. ${description}`.trim());
const LIMIT = (max: number, byDefault: number) =>
  query("limit", { type: "integer", minimum: 1, maximum: max, default: byDefault }, "At most this many.");
const TIME = (name: string, description: string) =>
  query(name, string(), `${description} RFC 3339, or milliseconds since 1970.`);
const OUTCOMES = ["delivered", "deferred", "bounced", "expired", "held"];

const ENTRY = {
  id: string("The transaction's; of a session that brought no message the session's, which begins with s."),
  session: string(),
  at: at("When it began."),
  verdict: { type: "string", enum: VERDICTS },
  ip: string("The peer's address; empty for a letter of this site's own."),
  helo: string(),
  listener: string(),
  role: string(),
  tls: nullable("string"),
  identity: nullable("string", "Who had logged in."),
  sender: nullable("string", "Empty for the null sender; null where no transaction began."),
  recipients: array(string()),
  recipientCount: integer(),
  size: nullable("integer", "Octets."),
  messageId: nullable("string"),
  plugin: nullable("string", "Who decided; core for what no plugin decides."),
  phase: nullable("string"),
  reply: nullable("string", "As the peer was told."),
  reason: string("In words for people; may be empty."),
  ms: number("Own time of all plugins."),
  points: number(),
  observed: { enum: ["refused", "deferred", "held", null], description: "What mode observe would have done." },
  deliveries: { type: "object", description: "Recipients by outcome.", additionalProperties: integer() },
};

export const SESSION_SCHEMAS: Json = {
  Entry: object(ENTRY),
  AuditRow: object({ at: at(), by: string("The token's name."), ip: string(), action: string(), subject: string() }),
  Story: {
    allOf: [
      ref("Entry"),
      object({
        seconds: nullable("number", "How long the session lasted; null while it lasts."),
        ended: nullable("string"),
        cipher: nullable("string"),
        proxy: nullable("string"),
        steps: array(object({
          phase: string(),
          plugin: string(),
          recipient: nullable("string"),
          verdict: { type: "string", enum: ["accept", "defer", "reject", "next", "error"] },
          observed: boolean("In mode observe: it did not count."),
          reason: string(),
          offset: number("Milliseconds from the story's beginning."),
          ms: number("Own time."),
          points: array(object({ points: number(), reason: string() })),
          facts: array({ type: "array", items: string(), description: "Name and words." }),
          dns: array(object({
            question: string(),
            answers: array(string()),
            fault: nullable("string"),
            ms: number(),
          })),
          held: array({}),
        })),
        cut: boolean("There were more steps than are kept."),
        refusals: array(object({
          command: string(),
          reply: string(),
          recipients: array(string()),
          plugin: nullable("string"),
          reason: nullable("string"),
          delayedFrom: nullable("string"),
          offset: number(),
        })),
        logins: array(object({
          mechanism: string(),
          user: string(),
          ok: { type: "boolean" },
          reason: string(),
          offset: number(),
        })),
        attempts: array(object({
          at: at(),
          recipient: string(),
          outcome: { type: "string", enum: OUTCOMES },
          relay: nullable("string"),
          reply: string(),
          status: string(),
          tls: nullable("string"),
          attempts: integer(),
          next: nullable("integer"),
        })),
        rewritten: array(object({ plugin: string(), reason: string() })),
        commitMs: nullable("number"),
        messages: array(ref("Entry")),
        parent: nullable("string"),
        audit: array(ref("AuditRow")),
      }),
    ],
  },
  RatePoint: object({
    at: at("Where the step begins."),
    sessions: integer(),
    accepted: integer(),
    held: integer(),
    refused: integer(),
    deferred: integer(),
    octets: integer(),
    delivered: integer(),
    postponed: integer(),
    bounced: integer(),
    commit: array(
      integer(`From the last octet to the 250, by upper bound: ${COMMIT_BOUNDS.join(", ")} ms, and above.`),
    ),
    delay: array(integer(`To the delivery, by upper bound: ${DELAY_BOUNDS.join(", ")} ms, and above.`)),
    queue: nullable("integer", "Recipients in the queue."),
  }),
};

export const SESSION_PATHS: Record<string, Json> = {
  "/api/v1/sessions": {
    get: operation("Messages and sessions without one, newest first", {
      tag: "sessions",
      parameters: [
        query("q", { type: "string", maxLength: 200 }, "Words in addresses, names, ids, replies, reasons."),
        query("verdict", { type: "string", enum: VERDICTS }, "What came of it."),
        query("ip", string(), "An address, or a network of /8, /16 or /24 (IPv6: /32, /48 or /64)."),
        query("from", string(), "A sender, or @domain."),
        query("to", string(), "A recipient, or @domain."),
        query("plugin", string(), "Who decided."),
        query("observed", { enum: ["1", "true"] }, "Only what mode observe would have done something about."),
        TIME("since", "Began then or later."),
        TIME("until", "Began before."),
        LIMIT(500, 50),
        query("before", string(), "Only what is older than the entry with this id."),
      ],
      ok: json("A page.", object({ entries: array(ref("Entry")), more: boolean("There are older ones.") })),
      faults: [400, 409],
    }),
    delete: operation("Forget an address: <forgotten> stands in its place everywhere", {
      tag: "sessions",
      parameters: [{ ...query("address", string(), "Whom to forget."), required: true }],
      ok: json("How many entries named it.", object({ forgotten: integer() })),
      faults: [400, 403, 409],
    }),
  },
  "/api/v1/explain/{id}": {
    get: operation("Who decided what about a message or a session, and why", {
      tag: "sessions",
      parameters: [
        inPath("id", "26 characters, a session's id with its s, or the eight of (ref XXXXXXXX)."),
        query("format", { enum: ["text"] }, "For people instead of programs."),
      ],
      ok: {
        description: "The story.",
        content: {
          "application/json": { schema: ref("Story") },
          "text/plain": { schema: string("With format=text: as postern explain tells it.") },
        },
      },
      faults: [404, 409],
    }),
  },
  "/api/v1/rates": {
    get: operation("How much came and went over time", {
      tag: "sessions",
      parameters: [
        TIME("since", "A day before until, unless given."),
        TIME("until", "Now, unless given."),
        query("step", { type: "string", default: "5m" }, "Whole minutes: 1m, 2h. At most 2,000 steps."),
      ],
      ok: json("The points.", object({ step: integer("Milliseconds."), points: array(ref("RatePoint")) })),
      faults: [400, 409],
    }),
  },
  "/api/v1/ledger": {
    get: operation("How much the ledger holds", {
      tag: "sessions",
      ok: json(
        "Its size.",
        object({
          entries: integer(),
          octets: integer("On the disk."),
          oldest: nullable("string", "When the oldest entry began."),
          dropped: integer("Entries that were lost since the start: the writer was behind."),
        }),
      ),
      faults: [409],
    }),
  },
  "/api/v1/audit": {
    get: operation("What people and programs read and changed here, newest first", {
      tag: "sessions",
      parameters: [LIMIT(1000, 100), TIME("before", "Only what was before.")],
      ok: json("The rows.", object({ items: array(ref("AuditRow")) })),
      faults: [400, 409],
    }),
  },
};
