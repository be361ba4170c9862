/**
 * DKIM (RFC 6376) and what ARC (RFC 8617) shares with it, as pure functions: the door of this folder, for the plugins of
 * identity/ and outbound/ too. Name service is a parameter, and no runtime is asked for anything.
 */
export { type Chain, type ChainOptions, verifyChain } from "./arc/chain.ts";
export { arcResult, ownResults } from "./arc/results.ts";
export { seal, type SealOptions } from "./arc/seal.ts";
export { type ArcSet, type ChainValidation, highestInstance, newestSeal } from "./arc/sets.ts";
export { canonicalField, type Canonicalization } from "./canonical.ts";
export { type Content, contentOf } from "./content.ts";
export { KeyError, PrivateKey } from "./private_key.ts";
export type { Algorithm } from "./private_key.ts";
export { type KeyRecord, KeyRecordError, KeyRecords, parseKeyRecord, type PublicKey } from "./public_key.ts";
export { recordName, recordText, zoneRecord } from "./record.ts";
export { sign } from "./sign.ts";
export type { SigningKey, SignOptions } from "./sign.ts";
export { canBeSigned, type SignedField, signedFields } from "./signed_fields.ts";
export { SignedHeader } from "./signed_header.ts";
export { type KeyDoor, type SignatureResult, type SignatureVerdict, type Verified, verify } from "./verify.ts";
export type { VerifyOptions } from "./verify.ts";
export { type Sha256Function, useSha256 } from "./sha256.ts";
