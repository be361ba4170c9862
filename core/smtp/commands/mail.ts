/** MAIL FROM:<reverse-path> [parameters]                                                        RFC 5321 4.1.1.2 */
import { parsePath, type PathFault } from "../../model/address.ts";
import { reject, Reply } from "../../model/reply.ts";
import { mailParameters } from "../params.ts";
import type { Command } from "./mod.ts";

export const mail: Command = {
  verb: "MAIL",
  run({ options, extensions, identified }, rest) {
    if (!/^FROM:/i.test(rest)) return reject("5.5.4", "Say MAIL FROM:<address>", { code: 501 });
    const path = parsePath(rest, 5, { smtputf8: true, lenient: options.lenientPaths });
    if (path.fault !== undefined) return SENDER_FAULTS[path.fault];
    if (path.end < rest.length && rest[path.end] !== " ") return SENDER_FAULTS.syntax;
    const terms = { size: options.limits.size, now: options.now(), identified };
    const parameters = mailParameters(rest.slice(path.end + 1), extensions, terms);
    if (parameters instanceof Reply) return parameters;
    if (!parameters.smtputf8 && /[^\x00-\x7f]/.test(rest)) return SENDER_FAULTS["non-ascii"];
    if (path.address?.domain === "") return SENDER_FAULTS.syntax; // only RCPT knows <Postmaster>
    const { priority = 0 } = parameters;
    if (priority <= 0 || identified) return { type: "mail", asks: true, sender: path.address, parameters };
    // A stranger does not jump the queue                                                   RFC 6710, SEMANTICS 22
    return {
      type: "mail",
      asks: true,
      sender: path.address,
      parameters: { ...parameters, priority: 0 },
      lowered: true,
    };
  },
};

const SENDER_FAULTS: Readonly<Record<PathFault, Reply<"reject">>> = {
  syntax: reject("5.1.7", "Bad sender address syntax", { code: 501 }),
  length: reject("5.1.7", "Sender address too long", { code: 501 }),
  domain: reject("5.1.2", "Bad internationalised domain", { code: 501 }),
  "non-ascii": reject("5.6.7", "Non-ASCII address without SMTPUTF8"), //                              RFC 6531 3.5
};
