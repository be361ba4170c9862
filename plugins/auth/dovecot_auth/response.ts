/**
 * The initial response of a SASL mechanism, made anew from what the client proved here: PLAIN (RFC 4616) for all
 * passwords, OAUTHBEARER (RFC 7628) and XOAUTH2 for tokens. Non-job: the mechanisms' server side (core/smtp/sasl).
 */
import { Buffer } from "node:buffer";

/** The mechanisms that can be handed on, and what they are there. */
export const THERE = { PLAIN: "PLAIN", LOGIN: "PLAIN", OAUTHBEARER: "OAUTHBEARER", XOAUTH2: "XOAUTH2" } as const;
/** A mechanism that can be handed on. */
export type Handed = keyof typeof THERE;

const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/; // b64token, RFC 6750 2.1

/** Null for a secret that cannot stand in a response: no right one would look like that. */
export function initialResponse(mechanism: Handed, user: string, secret: string): string | null {
  if (mechanism === "PLAIN" || mechanism === "LOGIN") {
    return user === "" || user.includes("\0") || secret === "" || secret.includes("\0") ? null : `\0${user}\0${secret}`;
  }
  if (!TOKEN.test(secret) || user.includes("\x01") || user.includes("\0")) return null;
  if (mechanism === "XOAUTH2") return `user=${user}\x01auth=Bearer ${secret}\x01\x01`;
  const authzid = user === "" ? "" : `a=${user.replaceAll("=", "=3D").replaceAll(",", "=2C")}`; // saslname, RFC 5801 4
  return `n,${authzid},\x01auth=Bearer ${secret}\x01\x01`;
}

/** What a client says when the server tells it why a token was refused (RFC 7628 3.2.3). */
export const DUMMY: Readonly<Partial<Record<Handed, string>>> = { OAUTHBEARER: "\x01", XOAUTH2: "" };

/** Base64 of the text's UTF-8. */
export function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
