/** AUTH mechanism [initial-response] (RFC 4954 4), and the lines that answer its challenges. */
import { reject, type Reply } from "../../model/reply.ts";
import { decodeBase64 } from "../sasl/base64.ts";
import type { Dialogue } from "../dialogue.ts";
import type { Command } from "./mod.ts";

/** Octets of a line in an exchange, AUTH itself included (RFC 4954 4). */
export const AUTH_LINE = 12_288;

const TWICE = reject("5.5.1", "Already logged in", { code: 503 }); //                                   RFC 4954 4
const NOT_HERE = reject("5.5.1", "AUTH is not offered here", { code: 503 });
const AFTER_TLS = reject("5.7.11", "Encryption required: STARTTLS first", { code: 538 });
const UNKNOWN = reject("5.5.4", "Mechanism not offered", { code: 504 });
const SYNTAX = reject("5.5.4", "Say AUTH mechanism [initial-response]", { code: 501 });
const BAD_BASE64 = reject("5.5.2", "Not base64", { code: 501 });
const CANCELLED = reject("5.7.0", "Authentication cancelled", { code: 501 });
const EMPTY = new Uint8Array(0);

export const auth: Command = {
  verb: "AUTH",
  run({ identified, extensions }, rest) {
    const [word = "", initial, ...more] = rest.split(" ", 3);
    const mechanism = word.toUpperCase();
    if (identified) return TWICE;
    if (!extensions.mechanisms.has(mechanism)) {
      if (extensions.afterTls.has(mechanism)) return AFTER_TLS;
      return extensions.has("AUTH") ? mechanism === "" ? SYNTAX : UNKNOWN : NOT_HERE;
    }
    if (more.length > 0) return SYNTAX;
    if (initial === undefined) return { type: "auth", asks: true, mechanism, initial: null };
    const octets = initial === "=" ? EMPTY : decodeBase64(initial); // "=" is a response of no octets   RFC 4954 4
    return octets === null || initial === "" ? BAD_BASE64 : { type: "auth", asks: true, mechanism, initial: octets };
  },
};

/** The octets of a response, or the refusal that ends the exchange. */
export function authResponse(line: string): Uint8Array | Reply<"reject"> {
  if (line === "*") return CANCELLED;
  return decodeBase64(line) ?? BAD_BASE64;
}

/** How long a command line may be now: AUTH brings long ones, and only where it is offered. */
export function lineLimit({ options, extensions, state }: Dialogue): number {
  const { command } = options.limits;
  const login = state === "auth" || state === "ready" && extensions.has("AUTH");
  return login && command < AUTH_LINE ? AUTH_LINE : command;
}
