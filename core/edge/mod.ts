/**
 * The pipeline on an edge platform: `edgeHost` makes the handlers that the platform calls, the rest is what it is given.
 * Nothing here needs a runtime beside the web's own.
 */
export { edgeHost } from "./host.ts";
export { EdgeDeferral } from "./options.ts";
export type {
  EdgeHostOptions,
  EventHost,
  EventHostOptions,
  ExecutionContext,
  MessageHost,
  MessageHostOptions,
} from "./options.ts";
export type { EdgeDelivery, EdgeMail, EmailActions, EventDelivery, NotDelivered, Via } from "./mail.ts";
export type { EmailEvent, EmailMessageClass, EmailMessageLike } from "./email_event.ts";
export type { HttpAuth } from "./http_auth.ts";
export { forwardTo, keep } from "./ways.ts";
export { relayTo } from "./relay.ts";
export type { RelayOptions } from "./relay.ts";
export type { ClientCredentials } from "../smtp/sasl/client/mod.ts";
export type { EdgeConnect, EdgeSocket } from "./socket.ts";
export { IsolateCounters, kvCounters } from "./counters.ts";
export type { KeyValueStore } from "./counters.ts";
export { dohResolver } from "../dns/doh.ts";
export type { DohOptions } from "../dns/doh.ts";
