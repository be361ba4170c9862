/** What the document of the API says of the server itself: reload, tokens, webhooks. */
import { SCOPES } from "../access/scope.ts";
import { array, integer, type Json, json, nullable, object, operation, string } from "./terms.ts";

export const SERVER_PATHS: Record<string, Json> = {
  "/api/v1/reload": {
    post: operation("Read the configuration again, and take it when it is good", {
      tag: "server",
      ok: json("What is different now.", object({ changed: array(string()) })),
      faults: [403, 409, 422],
    }),
  },
  "/api/v1/tokens": {
    get: operation("Who may come in, without the tokens", {
      tag: "server",
      ok: json(
        "The names.",
        object({
          items: array(object({
            name: string(),
            scopes: array({ type: "string", enum: SCOPES }),
            networks: { type: ["array", "null"], items: string(), description: "Null: from everywhere." },
            account: string("In whose name it sends."),
          })),
        }),
      ),
    }),
  },
  "/api/v1/webhooks": {
    get: operation("How the hooks fare that are told of events", {
      tag: "server",
      ok: json(
        "The hooks.",
        object({
          items: array(object({
            name: string(),
            url: string("Scheme, host and port."),
            events: array(string()),
            waiting: integer("Events that wait for it."),
            dropped: integer("Events that it will never hear of, since the start."),
            delivered: { type: ["string", "null"], format: "date-time", description: "When it took one last." },
            fault: nullable("string", "Why it takes nothing now."),
          })),
        }),
      ),
    }),
  },
};
