/** What the document of the API says of the server itself: reload, tokens, webhooks. */
import { SCOPES } from "../access/scope.ts";
import { array, integer, type Json, json, nullable, object, operation, string, time } from "./terms.ts";

export const SERVER_PATHS: Record<string, Json> = {
  "/api/v1/reload": {
    post: operation("Read the configuration again, and take it when it is good", {
      tag: "server",
      ok: json("What is different now.", object({ changed: array(string()) })),
      faults: [403, 409, 422],
    }),
  },
  "/api/v1/server": {
    get: operation("Which server this is, and which node of those that share a database", {
      tag: "server",
      ok: json(
        "This process.",
        object({
          version: string(),
          hostname: string("As the configuration says."),
          node: {
            type: ["string", "null"],
            description: "What this node is called; null: it shares its store with none.",
          },
          startedAt: time(),
          smtp: array(string("Where it takes mail.")),
        }),
      ),
    }),
  },
  "/api/v1/certificates": {
    get: operation("What TLS clients are shown", {
      tag: "server",
      ok: json(
        "The certificates.",
        object({
          items: array(object({
            names: array(string()),
            notBefore: time(),
            notAfter: time(),
            fingerprint: string("SHA-256."),
            listeners: array(string("Who shows it.")),
            issuer: string(),
            selfSigned: { type: "boolean" },
            keyType: string("RSA 2048, EC P-256, Ed25519."),
            file: string(),
            writtenAt: { type: ["string", "null"], format: "date-time" },
          })),
        }),
      ),
    }),
  },
  "/api/v1/configuration": {
    get: operation("The configuration in force, secrets masked", {
      tag: "server",
      ok: json(
        "All of it.",
        object({
          file: nullable("string"),
          readAt: time(),
          settings: array(object({
            path: string("limits.messageSize"),
            value: string(),
            from: { type: "string", enum: ["file", "default", "environment"] },
          })),
          warnings: array(string()),
          summary: array(string("A line of what postern check prints.")),
        }),
      ),
      faults: [409],
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
