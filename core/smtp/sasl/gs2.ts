/**
 * The header of mechanisms that came from GSS-API (RFC 5801 4), as far as SCRAM and OAUTHBEARER use it: whether the
 * channel is bound, and whom the client wants to act for. Non-job: the channel's octets.
 */
import { SaslMalformed } from "./mechanism.ts";
import { preparedName } from "./response.ts";

/** What the header says. */
export interface Gs2Header {
  /** The header itself, with its last comma. */
  readonly text: string;
  /** `n`: no channel binding; `y`: the client has it and believes that we do not; `p`: it is bound. */
  readonly flag: "n" | "y" | "p";
  /** The type of the binding that comes with `p`. */
  readonly binding: string;
  /** Prepared; empty without one. */
  readonly authzid: string;
}

// gs2-header = [gs2-nonstd-flag ","] gs2-cb-flag "," [gs2-authzid] ","      gs2-cb-flag = ("p=" cb-name) / "n" / "y"
// gs2-nonstd-flag is for mechanisms that were no GSS mechanisms first: none of ours.
const GS2 = /^(?:([ny])|p=([A-Za-z0-9.-]{1,64})),(?:a=([^,\0]+))?,/;

/** The header that a message begins with. @throws {SaslMalformed} */
export function gs2Header(message: string): Gs2Header {
  const match = GS2.exec(message);
  if (match === null) throw new SaslMalformed("Bad GS2 header");
  const [whole, plain, binding = "", authzid] = match;
  return {
    text: whole,
    flag: plain === undefined ? "p" : plain === "y" ? "y" : "n",
    binding,
    authzid: authzid === undefined ? "" : preparedName(unescapeName(authzid), "authorization identity"),
  };
}

/** `saslname` of RFC 5801 4 as it was before its commas and equals signs were escaped. @throws {SaslMalformed} */
export function unescapeName(saslname: string): string {
  const parts = saslname.split("=");
  let name = parts[0]!;
  for (const part of parts.slice(1)) {
    if (part.startsWith("2C")) name += ",";
    else if (part.startsWith("3D")) name += "=";
    else throw new SaslMalformed("An equals sign in a name is not escaped"); // RFC 5802 5.1: the server MUST fail
    name += part.slice(2);
  }
  return name;
}

/** A name as `saslname`: RFC 5801 4 escapes commas and equals signs. */
export function escapeName(name: string): string {
  return name.replaceAll("=", "=3D").replaceAll(",", "=2C");
}
