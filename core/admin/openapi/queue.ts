/** What the document of the API says of the queue: its routes, and what they take and answer. */
import { QUEUE_STATES } from "../../store/store.ts";
import { BOUNCE_REASON, MOST_REASON } from "../queue/change.ts";
import {
  array,
  inPath,
  integer,
  type Json,
  json,
  nullable,
  object,
  operation,
  query,
  ref,
  string,
  text,
  time,
} from "./terms.ts";

const ITEM = inPath("id", "Message id, 26 characters, or its last eight.");
const FILTER = [
  query("state", { type: "string", enum: QUEUE_STATES }, "A recipient is in this state."),
  query("domain", string(), "A recipient is at this domain."),
  query("q", string(), "Text in the recipient's address or in the sender's; or the id, whole or its last eight."),
  query("from", string(), "Its sender: an address, @domain, or <>."),
  query("to", string(), "A recipient: an address or @domain."),
  query("before", time(), "It came before."),
];
const CHANGED = json("How many recipients it changed.", object({ changed: integer() }));

/** `body`: what it must be told; `mayBeEmpty`: or not. */
function change(
  summary: string,
  by: "id" | "filter",
  { body, mayBeEmpty = false }: { readonly body?: Json; readonly mayBeEmpty?: boolean } = {},
): Json {
  const faults = by === "id" ? [403, 404, 503] : [400, 403, 503];
  return operation(summary, {
    tag: "queue",
    parameters: by === "id" ? [ITEM] : FILTER,
    ok: CHANGED,
    faults: body === undefined ? faults : [...new Set([...faults, 400, 413, 415])],
    ...(body && { body, mayBeEmpty }),
  });
}

const BOUNCE = {
  body: object({
    reason: { type: "string", maxLength: MOST_REASON, default: BOUNCE_REASON, description: "One line for the sender." },
  }, []),
  mayBeEmpty: true,
};
const ROUTE = {
  body: {
    oneOf: [
      object({
        to: { const: "remote" },
        via: string("A next hop of the configuration; without one as its routes say, else by MX."),
      }, ["to"]),
      object({ to: { const: "local" }, plugin: string("A plugin of the configuration that stores mail.") }),
    ],
  },
};

export const QUEUE_SCHEMAS: Json = {
  QueueItem: object({
    id: string(),
    from: string("Reverse path; empty for the null sender."),
    recipients: array(object({
      address: string(),
      original: string("What the peer named."),
      route: { type: "object", description: "`to` local, remote or report; `via`, `plugin`, `reason`." },
      destination: string("Whom it shares a way with: `mx:DOMAIN`, `via:NAME`, `local:PLUGIN` or `report`."),
      state: { type: "string", enum: QUEUE_STATES },
      attempts: integer(),
      nextAttempt: { type: ["string", "null"], format: "date-time" },
      lastReply: nullable("string"),
      told: {
        type: ["string", "null"],
        format: "date-time",
        description: "When its sender heard of a delay, or of the end.",
      },
      deadline: {
        type: ["string", "null"],
        format: "date-time",
        description: "When its sender hears at the latest, of a delay or that it was given up.",
      },
      notify: { type: ["array", "null"], items: string(), description: "NOTIFY as the client said it (RFC 3461 4.1)." },
      orcpt: nullable("string", "ORCPT as it stood on the wire, xtext (RFC 3461 4.2)."),
    })),
    ret: nullable("string", "RET: FULL or HDRS (RFC 3461 4.3)."),
    envid: nullable("string", "ENVID as it stood on the wire, xtext (RFC 3461 4.4)."),
    requireTls: { type: "boolean", description: "REQUIRETLS (RFC 8689)." },
    holdUntil: { type: ["string", "null"], format: "date-time", description: "HOLDFOR, HOLDUNTIL (RFC 4865)." },
    deliverBy: {
      type: ["object", "null"],
      description: "BY (RFC 2852): `at`, `mode` R or N, `trace`.",
    },
    priority: integer("MT-PRIORITY, -9 to 9 (RFC 6710)."),
    size: integer("Octets."),
    queuedAt: time(),
    subject: nullable("string", "Null without the scope messages."),
  }),
  Destination: object({
    destination: string("`mx:DOMAIN`, `via:NAME`, `local:PLUGIN` or `report`."),
    waiting: integer("Parts of messages in memory that wait for their turn; what waits on disk is not counted."),
    running: integer("Deliveries under way."),
    closedUntil: {
      type: ["string", "null"],
      format: "date-time",
      description: "Nothing goes there before: it rests, is suspended, or has its rate.",
    },
    reason: nullable("string", "Why mail waits, often in the words of the host."),
  }),
};

const HELD = {
  allOf: [
    ref("QueueItem"),
    object({ until: { type: ["string", "null"], format: "date-time", description: "When it goes; null: never." } }),
  ],
};

export const QUEUE_PATHS: Record<string, Json> = {
  "/api/v1/queue": {
    get: operation("The queue, newest first", {
      tag: "queue",
      parameters: [
        ...FILTER,
        query("limit", { type: "integer", minimum: 1, maximum: 1000, default: 100 }, "At most this many."),
      ],
      ok: json(
        "A page of the queue.",
        object({
          total: integer("All that match."),
          items: array(ref("QueueItem")),
          corrupt: array(object({ id: string(), why: string() })),
        }),
      ),
      faults: [400],
    }),
    delete: change("Delete all that match; nobody is told", "filter"),
  },
  "/api/v1/quarantine": {
    get: operation("What is held, newest first; release, delete, bounce and train are the queue's", {
      tag: "queue",
      parameters: [
        query("domain", string(), "A recipient is at this domain."),
        query("limit", { type: "integer", minimum: 1, maximum: 1000, default: 100 }, "At most this many."),
      ],
      ok: json(
        "A page.",
        object({
          total: integer(),
          octets: integer("All of the quarantine together."),
          size: nullable("integer", "How much it may hold; null: any amount."),
          items: array(HELD),
        }),
      ),
      faults: [400],
    }),
  },
  "/api/v1/queue/retry": { post: change("Try all that match now", "filter") },
  "/api/v1/queue/hold": { post: change("Hold all that match until a person releases them", "filter") },
  "/api/v1/queue/release": { post: change("Release all that match", "filter") },
  "/api/v1/queue/bounce": { post: change("Tell the senders of all that match that it failed", "filter", BOUNCE) },
  "/api/v1/queue/route": { post: change("Send all that match another way", "filter", ROUTE) },
  "/api/v1/queue/destinations": {
    get: operation("Destinations that rest, or have mail under way: why mail waits", {
      tag: "queue",
      parameters: [
        query("limit", { type: "integer", minimum: 1, maximum: 1000, default: 100 }, "At most this many."),
      ],
      ok: json(
        "Those that stay closed the longest first.",
        object({ total: integer("All of them."), items: array(ref("Destination")) }),
      ),
      faults: [400],
    }),
  },
  "/api/v1/queue/{id}": {
    get: operation("One item", {
      tag: "queue",
      parameters: [ITEM],
      ok: json("The item.", ref("QueueItem")),
      faults: [404],
    }),
    delete: change("Delete one; nobody is told", "id"),
  },
  "/api/v1/queue/{id}/raw": {
    get: operation("The octets as they will be delivered", {
      tag: "queue",
      parameters: [ITEM],
      ok: text("The message.", "message/rfc822"),
      faults: [404],
    }),
  },
  "/api/v1/queue/{id}/received": {
    get: operation("The octets as they were received, also where a plugin has rewritten the body", {
      tag: "queue",
      parameters: [ITEM],
      ok: text("The message.", "message/rfc822"),
      faults: [404],
    }),
  },
  "/api/v1/queue/{id}/retry": { post: change("Try one now", "id") },
  "/api/v1/queue/{id}/hold": { post: change("Hold one until a person releases it", "id") },
  "/api/v1/queue/{id}/release": { post: change("Release one", "id") },
  "/api/v1/queue/{id}/bounce": { post: change("Tell the sender of one that it failed", "id", BOUNCE) },
  "/api/v1/queue/{id}/route": { post: change("Send one another way", "id", ROUTE) },
};
