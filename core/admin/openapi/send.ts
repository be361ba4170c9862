/** What the document of the API says of bringing in mail. Non-job: the route (core/admin/send). */
import { array, content, type Json, json, nullable, object, operation, query, string } from "./terms.ts";

const MAILBOX = {
  oneOf: [
    string("ada@example.org, or Ada <ada@example.org>."),
    object({ name: string(), address: string() }, ["address"]),
  ],
};
const MAILBOXES = { oneOf: [...MAILBOX.oneOf, array(MAILBOX)] };

export const SEND_PATHS: Record<string, Json> = {
  "/api/v1/send": {
    post: {
      ...operation("Bring in a message, as a client that has logged in as the token's account", {
        tag: "messages",
        parameters: [
          query("from", string(), "With message/rfc822: the reverse path; empty for the null sender."),
          { ...query("to", array(string()), "With message/rfc822: the recipients, each by itself."), explode: true },
        ],
        ok: json(
          "It is durable.",
          object({
            id: nullable("string", "By which queue, inbox and explain know it."),
            reply: string("What an SMTP client would have read."),
            refused: array(object({ address: string(), reply: string() })),
          }),
        ),
        faults: [400, 403, 409, 413, 415, 422, 503],
      }),
      requestBody: {
        required: true,
        content: {
          "application/json": {
            schema: object({
              from: MAILBOX,
              to: MAILBOXES,
              cc: MAILBOXES,
              bcc: MAILBOXES,
              replyTo: MAILBOXES,
              subject: string(),
              text: string(),
              html: string(),
              headers: {
                type: "object",
                description: "Further fields; a list of texts for one that stands more than once.",
                additionalProperties: { oneOf: [string(), array(string())] },
              },
              attachments: array(object({
                name: string(),
                type: string("application/octet-stream unless given."),
                content: string("Base64."),
                contentId: string("Shown within the HTML as cid:."),
              }, ["name", "content"])),
            }, ["from"]),
          },
          ...content("message/rfc822", string()).content as Json,
        },
      },
    },
  },
};
