/** EHLO, HELO (RFC 5321 4.1.1.1) and LHLO (RFC 2033 4.1). The name is taken as it is told; doubting it is a plugin's work. */
import { reject } from "../../model/reply.ts";
import type { Command } from "./mod.ts";

function hello(verb: "HELO" | "EHLO" | "LHLO"): Command {
  return {
    verb,
    lmtp: verb === "LHLO",
    run(_dialogue, rest) {
      const name = rest.trim();
      if (name === "" || name.length > 255 || name.includes(" ") || name.includes("\t")) {
        return reject("5.5.4", `${verb} takes one domain name`, { code: 501 });
      }
      return { type: "helo", asks: true, verb, name };
    },
  };
}
export const helo: Command = hello("HELO");
export const ehlo: Command = hello("EHLO");
export const lhlo: Command = hello("LHLO");
