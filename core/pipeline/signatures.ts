/**
 * Asks signers about a content and takes only what can stand in front of it: a field that is none would end the header
 * early, or write a second message. Non-job: when a content is final (core/delivery), how one signs (plugins).
 */
import type { SignedContent, Signer } from "./contexts/contexts.ts";

const MAX = 64 * 1024; // characters of one signer: some signatures with 8192 bit, or a sealed chain of fifty hops
const FIELD = /[!-9;-~]+:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/y; // a name, a value, its folded lines   RFC 5322 2.2, 2.2.3
const utf8 = new TextEncoder();

/**
 * The fields to write in front of `content`, those of the last signer first; empty without signers.
 *
 * @throws {Error} what a signer threw, and when it gave something else than whole header fields. Do not send it then.
 */
export async function signatures(signers: readonly Signer[], content: SignedContent): Promise<string> {
  let front = "";
  for (const signer of signers) {
    const fields = await signer(front === "" ? content : inFront(front, content));
    if (!areFields(fields)) throw new Error("a signer gave something else than whole header fields");
    front = fields + front;
  }
  return front;
}

function areFields(text: unknown): text is string {
  if (typeof text !== "string" || text.length > MAX) return false;
  for (let at = 0; at < text.length; at = FIELD.lastIndex) {
    FIELD.lastIndex = at;
    if (!FIELD.test(text)) return false;
  }
  return true;
}

/** The content with fields in front of it. */
function inFront(fields: string, content: SignedContent): SignedContent {
  const front = utf8.encode(fields);
  return {
    size: front.length + content.size,
    head: join(front, content.head),
    memory: content.memory && join(front, content.memory),
    stream() {
      const reader = content.stream().getReader();
      return new ReadableStream({
        start: (controller) => controller.enqueue(front.slice()),
        async pull(controller) {
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason),
      }, { highWaterMark: 0 });
    },
  };
}

function join(a: Uint8Array<ArrayBuffer>, b: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
