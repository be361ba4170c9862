/** The door for plugins: everything a plugin may import stands here. */
export * from "./plugin.ts";
export * from "./key.ts";
export type * from "./contexts/contexts.ts";
export { accept, defer, reject, Reply } from "../model/reply.ts";
export type { DeferCode, RejectCode, ReplyOptions, Verdict } from "../model/reply.ts";
export { formatAddress, parseAddress, parsePath, sameAddress } from "../model/address.ts";
export type { Address } from "../model/address.ts";
export { canonicalDomain, DomainSet } from "../model/domain.ts";
export { canonicalIp, isIPv4, isIPv6, isLoopback, networkOf, Networks } from "../model/ip.ts";
export { newId, readId, shortId } from "../model/id.ts";
export type { BodyType, MailParameters, Notify, RcptParameters, Result, Route } from "../model/envelope.ts";
export { DnsError } from "../dns/resolver.ts";
export type { DnsFault, Mx, Resolver } from "../dns/resolver.ts";
export { parseDuration, parseSize } from "../model/units.ts";
export { MemoryResolver } from "../dns/memory_resolver.ts";
export type { MemoryRecords, MemoryZone } from "../dns/memory_resolver.ts";
export { parseHeaders } from "../model/headers.ts";
export type { FieldRange, HeaderSection } from "../model/headers.ts";
export { applyEdits, applyEditsToBytes, formatField } from "../model/edits.ts";
export type { HeaderEdits } from "../model/envelope.ts";
export { firstOf, parallel, type Test, unless, when } from "./combine.ts";
export type { Compiled } from "./compile.ts";
export type { Effect } from "./effect.ts";
export { Pipeline, type PipelineOptions } from "./pipeline.ts";
export {
  memoryBody,
  runPhase,
  simulate,
  type Simulated,
  SimulatedCounters,
  type SimulatedRecipient,
  type SimulatedResult,
} from "./testing.ts";
