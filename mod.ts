/**
 * Postern: an SMTP server whose policy you write yourself. This is the public API.
 *
 * @module
 */
export * from "./core/pipeline/mod.ts";
