/** The document at /openapi.json (OpenAPI 3.1): every route of the API that is there, and none that is not. */
import { CHAOS_PATHS, CHAOS_SCHEMAS } from "./chaos.ts";
import { EVENT_TYPES } from "../events.ts";
import { QUEUE_PATHS, QUEUE_SCHEMAS } from "./queue.ts";
import {
  array,
  content,
  inPath,
  integer,
  type Json,
  json,
  nullable,
  number,
  object,
  operation,
  query,
  ref,
  string,
  text,
  time,
} from "./terms.ts";
import { API_RULES } from "../access/rules.ts";
import { SEND_PATHS } from "./send.ts";
import { SERVER_PATHS } from "./server.ts";
import { SESSION_PATHS, SESSION_SCHEMAS } from "./sessions.ts";
import { TRAINING_PATHS } from "./training.ts";

const ID = inPath("id", "Message id, 26 characters; `ID.n` names a further copy.");
const BANNED = inPath("subject", "The address or network, percent-encoded.");
const SUPPRESSED = inPath("address", "The address, percent-encoded.");
const REMOVED = json("How many messages were removed.", object({ removed: integer() }));

const SCHEMAS: Json = {
  ...CHAOS_SCHEMAS,
  ...QUEUE_SCHEMAS,
  ...SESSION_SCHEMAS,
  Problem: object({ title: string(), status: integer(), detail: string("What is wrong and what to do.") }),
  Message: object({
    id: string(),
    inbox: string("The mailbox it lies in."),
    from: string("Decoded From."),
    to: array(string("An envelope recipient.")),
    subject: nullable("string", "Null without the scope messages."),
    size: integer("Octets."),
    receivedAt: time(),
    read: { type: "boolean" },
  }),
  OpenedMessage: {
    allOf: [
      ref("Message"),
      object({
        envelope: object({
          from: string("Reverse path; empty for the null sender."),
          ip: string(),
          helo: string(),
          identity: nullable("string"),
          protocol: string("The `with` word of Received."),
        }),
        headers: array(object({ name: string(), value: string() })),
        text: nullable("string"),
        html: nullable("string", "As it was sent; /html gives what is safe to show."),
        parts: array(object({
          n: integer("For /parts/{n}."),
          type: string(),
          name: nullable("string"),
          disposition: { type: "string", enum: ["inline", "attachment"] },
          contentId: nullable("string"),
          size: integer("Octets."),
        })),
        complete: { type: "boolean", description: "False when something was left out; /raw has all." },
        fault: nullable("string", "Why the structure could not be read."),
      }),
    ],
  },
  Suppressed: object({
    address: string("As it was put there; the case of its local part does not matter."),
    reason: string(),
    since: time(),
    until: { type: ["string", "null"], format: "date-time", description: "Null: not by itself." },
  }),
  Ban: object({ subject: string("An address, or a network."), reason: string(), until: time() }),
  PluginCount: object({
    plugin: string(),
    refused: integer("Messages and sessions."),
    deferred: integer(),
    held: integer(),
    wouldRefuse: integer("In mode observe."),
    wouldDefer: integer("In mode observe."),
    wouldHold: integer("In mode observe."),
    errors: integer("Threw, was late or broke a rule."),
  }),
  Listener: object({
    listener: string(),
    plugins: array(object({ name: string(), mode: string(), phases: array(string()) })),
  }),
};

const TAGS = ["messages", "chaos", "queue", "sessions", "suppressions", "bans", "training", "server"];
const SCHEME =
  "admin.token, which may do everything, or one of admin.tokens with the scope that the operation names; the " +
  "dev inbox on loopback needs none.";

/** Each operation with the scope that its route asks for. */
function withScopes(paths: Record<string, Json>): Json {
  const scoped = Object.entries(paths).map(([path, item]) => {
    const operations = Object.entries(item).map(([method, operation]) => {
      const rule = API_RULES.get(`${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ":$1")}`);
      const security = rule === undefined || rule.scope === null ? {} : { security: [{ token: [rule.scope] }] };
      return [method, { ...operation as Json, ...security }];
    });
    return [path, Object.fromEntries(operations)];
  });
  return Object.fromEntries(scoped);
}

export function openapi(version: string): Json {
  return {
    openapi: "3.1.0",
    info: {
      title: "Postern",
      version,
      description:
        "Errors are problem documents (RFC 9457). Changes need a JSON body or none; a browser may send them " +
        "from the site's own pages only.",
      license: { name: "MIT", identifier: "MIT" },
    },
    security: [{ token: [] }],
    tags: TAGS.map((name) => ({ name })),
    paths: withScopes({
      ...QUEUE_PATHS,
      ...TRAINING_PATHS,
      ...CHAOS_PATHS,
      ...SESSION_PATHS,
      ...SERVER_PATHS,
      ...SEND_PATHS,
      "/healthz": {
        get: operation("The process answers", {
          tag: "server",
          open: true,
          ok: json("Yes.", object({ status: string() })),
        }),
      },
      "/readyz": {
        get: operation("Mail is taken", {
          tag: "server",
          open: true,
          ok: json("Yes.", object({ status: string() })),
          faults: [503],
        }),
      },
      "/metrics": {
        get: operation("Metrics", { tag: "server", ok: text("OpenMetrics.", "application/openmetrics-text") }),
      },
      "/openapi.json": {
        get: operation("This document", { tag: "server", ok: json("OpenAPI 3.1.", { type: "object" }) }),
      },
      "/api/v1/messages": {
        get: operation("Messages, newest first", {
          tag: "messages",
          parameters: [
            query("inbox", string(), "Only this mailbox."),
            query("q", { type: "string", maxLength: 200 }, "Text in From, To, Subject or an envelope address."),
            query("limit", { type: "integer", minimum: 1, maximum: 500, default: 50 }, "At most this many."),
            query("before", string(), "Only messages older than this id."),
          ],
          ok: json(
            "A page of messages.",
            object({ total: integer("All that match."), messages: array(ref("Message")) }),
          ),
          faults: [400],
        }),
        delete: operation("Remove all messages, or all of one mailbox", {
          tag: "messages",
          parameters: [query("inbox", string(), "Only this mailbox.")],
          ok: REMOVED,
          faults: [400, 403],
        }),
      },
      "/api/v1/messages/{id}": {
        get: operation("One message, taken apart", {
          tag: "messages",
          parameters: [ID],
          ok: json("The message.", ref("OpenedMessage")),
          faults: [404, 503],
        }),
        patch: operation("Mark as read or unread", {
          tag: "messages",
          parameters: [ID],
          body: object({ read: { type: "boolean" } }),
          ok: json("As it is now.", object({ id: string(), read: { type: "boolean" } })),
          faults: [400, 403, 404, 413, 415],
        }),
        delete: operation("Remove one message", { tag: "messages", parameters: [ID], ok: REMOVED, faults: [403, 404] }),
      },
      "/api/v1/messages/{id}/release": {
        post: operation("Send one on to an address that the configuration allows, as a new message of the queue", {
          tag: "messages",
          parameters: [ID],
          body: object({ to: string("Whom it goes to.") }),
          ok: json("What stands in the queue.", object({ id: string("Its id there."), to: string() })),
          faults: [400, 403, 404, 409, 413, 415],
        }),
      },
      "/api/v1/messages/{id}/raw": {
        get: operation("The octets as they are delivered", {
          tag: "messages",
          parameters: [ID],
          ok: text("The message.", "message/rfc822"),
          faults: [404],
        }),
      },
      "/api/v1/messages/{id}/html": {
        get: operation("The HTML for a closed frame: nothing runs, nothing is loaded", {
          tag: "messages",
          parameters: [ID, query("remote", { type: "string", enum: ["1"] }, "Load images from elsewhere this once.")],
          ok: text("The HTML.", "text/html"),
          faults: [404, 503],
        }),
      },
      "/api/v1/messages/{id}/parts/{n}": {
        get: operation("One part, decoded", {
          tag: "messages",
          parameters: [ID, inPath("n", "Number of the part, from 1.", integer())],
          ok: text("The part, always as a download.", "application/octet-stream"),
          faults: [404, 503],
        }),
      },
      "/api/v1/suppressions": {
        get: operation("Addresses to which nothing is sent, in order", {
          tag: "suppressions",
          parameters: [
            query("prefix", { type: "string", maxLength: 256 }, "Only addresses that begin like this."),
            query("after", string(), "Only addresses behind this one."),
            query("limit", { type: "integer", minimum: 1, maximum: 1000, default: 100 }, "At most this many."),
          ],
          ok: json("A page of the list.", object({ items: array(ref("Suppressed")) })),
          faults: [400],
        }),
        post: operation("Put an address on the list, or change its entry", {
          tag: "suppressions",
          body: object({
            address: string(),
            reason: { type: "string", maxLength: 500, default: "" },
            days: { type: ["number", "null"], maximum: 3650, default: null, description: "Null: without an end." },
          }, ["address"]),
          ok: json("The entry.", ref("Suppressed")),
          faults: [400, 403, 413, 415, 503],
        }),
      },
      "/api/v1/suppressions/{address}": {
        get: operation("One entry", {
          tag: "suppressions",
          parameters: [SUPPRESSED],
          ok: json("The entry.", ref("Suppressed")),
          faults: [400, 404],
        }),
        delete: operation("Take an address off the list", {
          tag: "suppressions",
          parameters: [SUPPRESSED],
          ok: json("How many were there.", object({ removed: integer() })),
          faults: [400, 403, 404, 503],
        }),
      },
      "/api/v1/bans": {
        get: operation("Clients that are turned away at the door, in order", {
          tag: "bans",
          parameters: [
            query("limit", { type: "integer", minimum: 1, maximum: 1000, default: 100 }, "At most this many."),
          ],
          ok: json("The bans.", object({ items: array(ref("Ban")) })),
          faults: [400],
        }),
        post: operation("Ban a client, or change its ban", {
          tag: "bans",
          body: object({
            subject: { type: "string", description: "An address, or a network of /24 (IPv6: /56 or /64)." },
            reason: { type: "string", maxLength: 200, default: "" },
            seconds: { type: ["number", "null"], maximum: 315_360_000, default: null, description: "Null: ten years." },
          }, ["subject"]),
          ok: json("The ban.", ref("Ban")),
          faults: [400, 403, 413, 415, 503],
        }),
      },
      "/api/v1/bans/{subject}": {
        delete: operation("Serve a client again", {
          tag: "bans",
          parameters: [BANNED],
          ok: json("How many were there.", object({ removed: integer() })),
          faults: [400, 403, 404, 503],
        }),
      },
      "/api/v1/plugins": {
        get: operation("The plugin list of each listener, and what each plugin did lately", {
          tag: "server",
          parameters: [query("last", { type: "string", default: "1d" }, "How long lately is: 1h, 7d.")],
          ok: json(
            "The lists.",
            object({
              listeners: array(ref("Listener")),
              since: time("What the counts begin with."),
              timings: {
                type: ["array", "null"],
                description: "Since the start.",
                items: object({
                  plugin: string(),
                  phase: string(),
                  calls: integer(),
                  total: number("Own time of all calls, milliseconds."),
                  p95: nullable(
                    "number",
                    "So long took 95 of 100 calls at most, milliseconds; null: longer than is told.",
                  ),
                  verdicts: { type: "object", additionalProperties: integer() },
                }),
              },
              counts: { type: ["array", "null"], items: ref("PluginCount"), description: "Null without a ledger." },
            }),
          ),
          faults: [400],
        }),
      },
      "/api/v1/events": {
        get: operation("What happens, live", {
          tag: "server",
          parameters: [
            query(
              "types",
              string(),
              `Some of ${
                EVENT_TYPES.join(", ")
              } with commas between, or *; arrived, removed, accepted and refused unless ` +
                "given. audit takes the scope admin.",
            ),
            query(
              "after",
              string(),
              "As the header Last-Event-ID: what happened behind the event with that id comes first.",
            ),
          ],
          ok: text("Server-sent events with JSON data.", "text/event-stream"),
          faults: [400, 503],
        }),
      },
    }),
    components: {
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: SCHEME },
      },
      responses: { Problem: { description: "A problem.", ...content("application/problem+json", ref("Problem")) } },
      schemas: SCHEMAS,
    },
  };
}
