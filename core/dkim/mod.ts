/**
 * DKIM (RFC 6376) and what ARC (RFC 8617) shares with it, as pure functions: the door of this folder, for the plugins of
 * identity/ and outbound/ too. Name service is a parameter, and no runtime is asked for anything.
 */
export { canonicalField, type Canonicalization } from "./canonical.ts";
export type { Content } from "./content.ts";
export { KeyError, PrivateKey } from "./private_key.ts";
export type { Algorithm } from "./private_key.ts";
export { recordName, recordText, zoneRecord } from "./record.ts";
export { sign } from "./sign.ts";
export type { SigningKey, SignOptions } from "./sign.ts";
export { canBeSigned } from "./signed_fields.ts";
