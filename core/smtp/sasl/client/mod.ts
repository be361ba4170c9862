/**
 * The client's side of SASL: choose a mechanism, then answer challenges until it is done. Web-standard APIs only, so that
 * whatever speaks SMTP to a server can log in with it. Non-job: AUTH, base64, 334 (RFC 4954).
 */
export * from "./client.ts";
export { type Channel, chooseMechanism } from "./choose.ts";
export { oauthBearerClient, xoauth2Client } from "./bearer.ts";
export { type ScramBinding, scramClient, type ScramOptions } from "./scram.ts";
export type { ScramHash } from "../scram_keys.ts";
export { cramMd5Client, externalClient, loginClient, plainClient } from "./spoken.ts";
