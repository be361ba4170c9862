/**
 * The door for plugins, and the whole of what `import ... from "postern"` has: nothing here needs a runtime beside the
 * web's own, so a plugin that keeps no files runs wherever JavaScript does. The pipeline itself is not here: a plugin
 * never runs other plugins but by `next()` and the combinations.
 */

// ---- A plugin, what it sees, what it leaves for others ---------------------------------------------------------------
export * from "./plugin.ts";
export type * from "./contexts/contexts.ts";
export type { EdgeContext } from "./contexts/edge_context.ts";
export { type AsksOutside, OutsideError } from "./contexts/outside.ts";
export * from "./key.ts";
export { routedTo } from "./routed_to.ts";
export { firstOf, parallel, type Test, unless, when } from "./combine.ts";

// ---- Answers ---------------------------------------------------------------------------------------------------------
export { accept, defer, reject, Reply } from "../model/reply.ts";
export type { DeferCode, RejectCode, ReplyOptions, Verdict } from "../model/reply.ts";

// ---- Values of the envelope and the message --------------------------------------------------------------------------
export { formatAddress, parseAddress, sameAddress } from "../model/address.ts";
export type { Address } from "../model/address.ts";
export { isNameOrDetail, parseAddressPattern } from "../model/address_pattern.ts";
export type { AddressPattern } from "../model/address_pattern.ts";
export type {
  BodyType,
  DeliverBy,
  HeaderEdits,
  MailParameters,
  Notify,
  Origin,
  PluginRoute,
  RcptParameters,
  Result,
  Route,
} from "../model/envelope.ts";
export { HeaderSection } from "../model/headers.ts";
export type { FieldRange } from "../model/headers.ts";
export type { FieldChange } from "../model/field_changes.ts";
export { fold } from "../model/fold.ts";
export { formatAuthResults, formatResult, parseAuthResults } from "../model/authres.ts";
export type { AuthResult, AuthResults } from "../model/authres.ts";
export { decodeWords } from "../model/encoded_word.ts";
export { countMailboxes, mailboxesIn, replaceMailboxes } from "../model/mailboxes.ts";
export type { Mailboxes } from "../model/mailboxes.ts";
export { formatDate } from "../model/trace.ts";
export { canonicalDomain, DomainSet, isDomainPattern } from "../model/domain.ts";
export { canonicalIp, ipOctets, isIPv4, isIPv6, isLoopback, isNetwork, networkOf, Networks } from "../model/ip.ts";
export { isUtf8 } from "../model/octets.ts";
export { registrableDomain } from "../model/registrable_domain.ts";
export { parseDuration, parseRate, parseSize, RATE } from "../model/units.ts";
export type { Rate } from "../model/units.ts";

// ---- What is inside of a message -------------------------------------------------------------------------------------
export { MimeReader } from "../mime/reader.ts";
export type { MimeDefect, MimeEncoding, MimeVisitor, PartConsumer, PartEnd, PartHead } from "../mime/entity.ts";
export { messageContent } from "../mime/content.ts";
export type { ContentOptions, ContentPart, ContentSource, ContentText, MessageContent } from "../mime/content.ts";
export { htmlText } from "../mime/html_text.ts";
export type { HtmlLink, HtmlText } from "../mime/html_text.ts";
export { decodeText } from "../mime/charset.ts";
export { type Decoder, decoderFor } from "../mime/decoder.ts";
export { type Coder, coderFor } from "../mime/coder.ts";

// ---- What is stored of a password ------------------------------------------------------------------------------------
export { formatScryptHash, parseScryptHash } from "../model/scrypt_hash.ts";
export { SCRYPT_COST, SCRYPT_LENGTH, SCRYPT_SALT } from "../model/scrypt_hash.ts";
export type { ScryptCost, ScryptHash } from "../model/scrypt_hash.ts";
export { formatScramKeys, parseScramKeys } from "../smtp/sasl/scram_keys.ts";
export type { ScramHash, ScramKeys } from "../smtp/sasl/scram_keys.ts";

// ---- Name service ----------------------------------------------------------------------------------------------------
export { DnsError } from "../dns/resolver.ts";
export type { DnsFault, LookupOptions, Mx, Resolver, Tlsa } from "../dns/resolver.ts";
export type { Answer as DnsAnswer, AnswerOrigin, RecordOf, RecordType } from "../dns/answer.ts";

// ---- State that threads share, and what observers are told -----------------------------------------------------------
export type { CounterEntry, CounterOptions, CounterQuery, Counters } from "../store/store.ts";
export type * from "../observe/events.ts";

// ---- Testing a plugin ------------------------------------------------------------------------------------------------
export { type ObserverServices, observersOf } from "./observers.ts";
export { runPhase, simulate, SimulatedCounters } from "./testing/simulation.ts";
export type { Simulated, SimulatedLogin, SimulatedRecipient, SimulatedResult } from "./testing/simulation.ts";
export type { NextHopAnswer, SimulatedDeparture } from "./testing/simulated_departure.ts";
export type { PipelineOptions } from "./pipeline.ts";
export type { Row } from "./endings/settlement.ts";
export { MemoryResolver } from "../dns/memory_resolver.ts";
export type { MemoryFault, MemoryRecords, MemoryZone } from "../dns/memory_resolver.ts";
