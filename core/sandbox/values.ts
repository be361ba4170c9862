/**
 * Replies and errors as data, and back. Non-job: telling whether data from a sandbox is what it says (host/incoming.ts).
 */
import { placeOf } from "../pipeline/calls/faults.ts";
import { DnsError, type DnsFault } from "../dns/resolver.ts";
import { Reply } from "../model/reply.ts";
import { OutsideError } from "../pipeline/contexts/outside.ts";
import { StoreError } from "../store/store.ts";
import type { WireError, WireReply } from "./wire.ts";

/** The longest words of an error, characters. */
export const MAX_WORDS = 2000;

/** What `sandbox` may name. */
const GRANTED: ReadonlySet<string> = new Set(["net", "read", "env"]);

/** `below`: what next() gave, which it may overrule. */
export function toWireReply(reply: Reply, below: Reply | null = null): WireReply {
  const { code, status, text, options: { close, silent, reason, over } } = reply;
  return {
    code,
    status,
    text,
    ...(close === undefined ? {} : { close }),
    ...(silent === undefined ? {} : { silent }),
    ...(reason === undefined ? {} : { reason }),
    ...(over !== undefined && over === below ? { over: true as const } : {}),
  };
}

/** @throws {TypeError} when the status does not fit the code. */
export function fromWireReply(wire: WireReply, below: Reply | null = null): Reply {
  const { code, status, text, over, ...options } = wire;
  return new Reply(code, status, text, over === true && below !== null ? { ...options, over: below } : options);
}

/** Whatever was thrown, even something that throws when it is looked at. */
export function toWireError(error: unknown): WireError {
  try {
    if (error instanceof DnsError) {
      return { name: error.name, message: error.message, fault: error.fault, query: error.query };
    }
    if (error instanceof StoreError) return { name: error.name, message: error.message, fault: error.fault };
    if (error instanceof Error) {
      const words = plainly(String(error.message).slice(0, MAX_WORDS));
      const message = words + placeOf(error); // where its author made a mistake is here
      return { name: String(error.name), message };
    }
    return { name: "Error", message: String(error).slice(0, MAX_WORDS) };
  } catch {
    return { name: "Error", message: "threw something that cannot be read" };
  }
}

/** The runtime speaks of its own flags, which are not what somebody who runs a server would write. */
function plainly(message: string): string {
  return message.replace(/, run again with the --allow-(\w+) flag$/, (_, word: string) => {
    return GRANTED.has(word) ? `, which its sandbox: { ${word}: [...] } does not give` : ", which no sandbox gives";
  });
}

/** An error that says the same, of the same class where that means something. */
export function fromWireError({ name, message, fault = "", query = "" }: WireError): Error {
  switch (name) {
    case "DnsError":
      return new DnsError(fault as DnsFault, query);
    case "StoreError":
      return new StoreError(fault as StoreError["fault"], message);
    case "OutsideError":
      return new OutsideError(message);
    case "TypeError":
      return new TypeError(message);
    case "RangeError":
      return new RangeError(message);
    case "AbortError":
    case "TimeoutError":
      return new DOMException(message, name) as Error;
    default:
      return new Error(message);
  }
}
