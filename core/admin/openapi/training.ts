/** What the document of the API says of training. Non-job: the routes (training.ts). */
import { array, content, inPath, type Json, json, object, operation, query, string } from "./terms.ts";

const SAYS = json("What each plugin that learns says.", object({ says: array(string("PLUGIN: what it learned.")) }));
const AS: Json = { type: "string", enum: ["spam", "ham"] };

export const TRAINING_PATHS: Record<string, Json> = {
  "/api/v1/train": {
    get: operation("What those who learn know", { tag: "training", ok: SAYS, faults: [409] }),
    post: {
      ...operation("Learn from a message", {
        tag: "training",
        parameters: [{ ...query("as", AS, "What it is."), required: true }],
        ok: SAYS,
        faults: [400, 403, 409, 413, 415, 503],
      }),
      requestBody: {
        required: true,
        description: "The message, at most 10 MiB; the first MiB counts.",
        ...content("message/rfc822", string()),
      },
    },
  },
  "/api/v1/messages/{id}/train": stored(
    "Learn from a message of the inbox",
    "Message id, 26 characters; `ID.n` names a further copy.",
  ),
  "/api/v1/queue/{id}/train": stored(
    "Learn from a message of the queue, also one that is held",
    "Message id, 26 characters.",
  ),
};

function stored(summary: string, id: string): Json {
  return {
    post: operation(summary, {
      tag: "training",
      parameters: [inPath("id", id)],
      body: object({ as: AS }),
      ok: SAYS,
      faults: [400, 403, 404, 409, 413, 415, 503],
    }),
  };
}
