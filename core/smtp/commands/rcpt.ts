/** RCPT TO:<forward-path> [parameters]                                                          RFC 5321 4.1.1.3 */
import { parsePath, type PathFault } from "../../model/address.ts";
import { defer, reject, Reply } from "../../model/reply.ts";
import { rcptParameters } from "../params.ts";
import type { Command } from "./mod.ts";

export const rcpt: Command = {
  verb: "RCPT",
  run({ options, extensions, recipients, smtputf8 }, rest) {
    if (!/^TO:/i.test(rest)) return reject("5.5.4", "Say RCPT TO:<address>", { code: 501 });
    const path = parsePath(rest, 3, { smtputf8, lenient: options.lenientPaths });
    if (path.fault !== undefined) return RECIPIENT_FAULTS[path.fault];
    if (path.address === null || path.end < rest.length && rest[path.end] !== " ") return RECIPIENT_FAULTS.syntax;
    const parameters = rcptParameters(rest.slice(path.end + 1), extensions, smtputf8);
    if (parameters instanceof Reply) return parameters;
    if (recipients >= options.limits.recipients) return TOO_MANY;
    return { type: "rcpt", asks: true, address: path.address, parameters };
  },
};

// 452, not 552: the peer sends the others in another transaction                               RFC 5321 4.5.3.1.10
const TOO_MANY = defer("4.5.3", "Too many recipients", { code: 452 });
const RECIPIENT_FAULTS: Readonly<Record<PathFault, Reply<"reject">>> = {
  syntax: reject("5.1.3", "Bad recipient address syntax", { code: 501 }),
  length: reject("5.1.3", "Recipient address too long", { code: 501 }),
  domain: reject("5.1.2", "Bad internationalised domain", { code: 501 }),
  "non-ascii": reject("5.6.7", "Non-ASCII address without SMTPUTF8", { code: 553 }), //                RFC 6531 3.5
};
