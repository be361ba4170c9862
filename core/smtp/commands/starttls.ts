/** STARTTLS (RFC 3207): not twice, and nothing behind it. What follows a 220 is the handshake, the host's work. */
import { reject } from "../../model/reply.ts";
import type { Command } from "./mod.ts";

const TWICE = reject("5.5.1", "TLS is on already", { code: 503 });
const NOT_HERE = reject("5.5.1", "Not offered here", { code: 502 });
const ARGUMENT = reject("5.5.4", "STARTTLS takes nothing behind it", { code: 501 });

export const starttls: Command = {
  verb: "STARTTLS",
  run({ secure, extensions }, rest) {
    if (secure) return TWICE;
    if (!extensions.has("STARTTLS")) return NOT_HERE;
    return rest.trim() === "" ? { type: "starttls", asks: true } : ARGUMENT;
  },
};
