/**
 * The SASL mechanisms that this server knows, strongest first (RFC 4422). Which of them a listener announces is not
 * decided here: that depends on its plugins, on TLS, and on the facts that each mechanism states about itself.
 */
import { OAUTHBEARER, XOAUTH2 } from "./bearer.ts";
import { CRAM_MD5 } from "./cram_md5.ts";
import { EXTERNAL } from "./external.ts";
import { LOGIN } from "./login.ts";
import type { Mechanism } from "./mechanism.ts";
import { PLAIN } from "./plain.ts";
import { SCRAM_SHA_256, SCRAM_SHA_256_PLUS } from "./scram.ts";

export * from "./mechanism.ts";

/** By name, in the order in which they are best announced: some clients take the first that they know. */
export const MECHANISMS: ReadonlyMap<string, Mechanism> = new Map(
  [SCRAM_SHA_256_PLUS, SCRAM_SHA_256, EXTERNAL, OAUTHBEARER, XOAUTH2, CRAM_MD5, PLAIN, LOGIN]
    .map((each) => [each.name, each]),
);
