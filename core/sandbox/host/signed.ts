/** What is to be signed, as it crosses. Non-job: reading the rest of it (bodies.ts). */
import { HeaderSection } from "../../model/headers.ts";
import type { SignedContent } from "../../pipeline/contexts/contexts.ts";
import type { WireBody } from "../wire.ts";
import { RECEIVED } from "./snapshot.ts";

/** With all its octets where they lie in memory and are few. */
const WITH_IT = 256 * 1024;

export function signedBody({ size, head, memory }: SignedContent): WireBody {
  if (memory !== null && size <= WITH_IT) return { body: RECEIVED, size, head: memory.slice(), whole: true };
  const { bodyStart } = new HeaderSection(head);
  return { body: RECEIVED, size, head: head.slice(0, Math.min(head.length, bodyStart + 2)), whole: false };
}
