/**
 * The nouns that handlers and conditions are shown: site, peer, recipients, message, and what is known of them. All of it is
 * read-only. Types only. Non-job: what a handler may do (contexts.ts).
 */
import type { Address } from "../../model/address.ts";
import type { BodyType, RcptParameters, Result, Route } from "../../model/envelope.ts";
import type { Phase } from "../../observe/events.ts";
import type { Key, Scope } from "../key.ts";

/** What a listener is for. `edge` is an edge platform's email event. */
export type Role = "mx" | "submission" | "lmtp" | "edge";

/**
 * This site, as its configuration has it.
 *
 * @example
 * ```ts
 * import { DomainSet, on, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const ours = on("mail", (ctx, next) => {
 *   const local = DomainSet.of(ctx.host.domains).has(ctx.sender?.domain ?? "");
 *   return local && ctx.client.identity === null ? reject("5.7.1", "Log in to write as one of us") : next();
 * });
 * const host = { domains: ["*.example.org"] };
 * assertEquals((await runPhase(ours, "mail", { from: "a@b.example.org", host })).reply.code, 550);
 * ```
 */
export interface Host {
  /** The name in the greeting, in Received and as authserv-id. */
  readonly name: string;
  /** The local domains as written, `*.name` for all below a name, `*` for every domain. `new DomainSet` reads them. */
  readonly domains: readonly string[];
  /** Where mail for postmaster goes, when the configuration says. */
  readonly postmaster: Address | null;
}
/** What a TLS handshake settled (RFC 3207, RFC 8314). */
export interface TlsFacts {
  /** "TLSv1.2" or "TLSv1.3". */
  readonly version: string;
  /** The cipher suite's standard name. */
  readonly cipher: string;
  /** The name the client asked for (SNI), or null. */
  readonly serverName: string | null;
  /** True when an earlier session was resumed. */
  readonly resumed: boolean;
  /** The client's certificate, if it showed one that the listener's client CA vouches for. */
  readonly certificate: ClientCertificate | null;
  /** Why a certificate that it showed does not count. */
  readonly distrust?: string;
}
/** A client's certificate whose chain was verified. */
export interface ClientCertificate {
  /** SHA-256 of the certificate: upper-case hex with colons. */
  readonly fingerprint: string;
  /** The subject's common name, or empty. */
  readonly commonName: string;
  /** E-mail addresses among the alternative names. */
  readonly emails: readonly string[];
}
/**
 * The peer of a session.
 *
 * @example
 * ```ts
 * import { type Client, on, reject, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const isSafe = ({ tls, identity }: Client) => tls !== null || identity !== null;
 * const safe = on("mail", (ctx, next) => isSafe(ctx.client) ? next() : reject("5.7.10", "TLS, please", { code: 530 }));
 * const codes = [await runPhase(safe, "mail"), await runPhase(safe, "mail", { identity: "ann" })];
 * assertEquals(codes.map(({ reply }) => reply.code), [530, 250]);
 * ```
 */
export interface Client {
  /** Canonical: IPv4-mapped addresses as IPv4. */
  readonly ip: string;
  /** Its own port. */
  readonly port: number;
  /** Null without TLS. */
  readonly tls: TlsFacts | null;
  /** Who it is logged in as, else null. */
  readonly identity: string | null;
}
/**
 * One recipient of a transaction, as it is now.
 *
 * @example
 * ```ts
 * import { formatAddress, on, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const told: string[] = [];
 * const tells = on("data", (ctx, next) => {
 *   for (const { address, original, copy } of ctx.recipients) {
 *     if (!copy) told.push(`${formatAddress(original)} is ${formatAddress(address)}`);
 *   }
 *   return next();
 * });
 * await runPhase(tells, "data", { to: "bob@example.org" });
 * assertEquals(told, ["bob@example.org is bob@example.org"]);
 * ```
 */
export interface Recipient {
  /** Where its copy goes. */
  readonly address: Address;
  /** What the peer named; `address` differs after an alias. */
  readonly original: Address;
  /** The recipient this one was expanded from. Null for what the peer itself named. */
  readonly origin: Recipient | null;
  /** What RCPT said besides the address. */
  readonly parameters: RcptParameters;
  /** A plugin added it (`copyTo`): nobody is told of it, and no limit counts it. `origin` is null all the same. */
  readonly copy: boolean;
  /** Null until a plugin gave it one. */
  readonly route: Route | null;
  /** Null until it is settled or refused. */
  readonly result: Result | null;
  /** What plugins know about it. */
  get<T>(key: Key<T, "recipient">): T | undefined;
}
/** One field of a header section. */
export interface HeaderField {
  /** As it was written, without the colon. */
  readonly name: string;
  /** Unfolded, without the space around it. Octets above 127 as UTF-8, else Latin-1. */
  readonly value: string;
}
/**
 * The message as received. Header edits are a list beside it and take effect when it is written; `header` and `headers`
 * show them, `bytes` and `stream` never do: signatures stay checkable.
 *
 * @example
 * ```ts
 * import { on, runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const seen: unknown[] = [];
 * const reads = on("data", async (ctx, next) => {
 *   const { message } = ctx, body = (await message.bytes()).subarray(message.bodyStart);
 *   seen.push(message.header("subject"), message.headers.length, new TextDecoder().decode(body));
 *   return next();
 * });
 * await runPhase(reads, "data", { message: "Subject: one\n two\nDate: today\n\ntext\n" });
 * assertEquals(seen, ["one two", 2, "text\r\n"]);
 * ```
 */
export interface Message {
  /** Octets as received, header section and body. */
  readonly size: number;
  /** What BODY= said (RFC 6152, RFC 3030); 7BIT unless it said more. */
  readonly bodyType: BodyType;
  /** Octets before its body: where the header section ends, in `stream()` as in `content()`. */
  readonly bodyStart: number;
  /** A line that is no field ended the header before its empty line: another reader may see more fields behind it. */
  readonly malformed: boolean;
  /** The first field of that name, any case. */
  header(name: string): string | undefined;
  /** All of them, in their order; what plugins added stands first, what they removed is not there. */
  readonly headers: readonly HeaderField[];
  /**
   * The same fields as octets, each with its line ends as it was received or written, and no empty line behind them: for
   * those who sign, and for filters that want to see it all. Never write to it.
   */
  readonly headerOctets: Uint8Array<ArrayBuffer>;
  /** The received octets: a view, never write to it. Rejects above `max` (default 1 MiB): stream instead. */
  bytes(options?: { readonly max?: number }): Promise<Uint8Array<ArrayBuffer>>;
  /** A fresh stream of the received octets each time, from memory or the spool file. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** A body other than the received one goes on: a plugin has rewritten it. */
  readonly rewritten: boolean;
  /** The octets with the body that goes on, the header section as it was received: those of `stream()` unless `rewritten`. */
  content(): ReadableStream<Uint8Array<ArrayBuffer>>;
}
/** Points for a message, and who gave them. */
export interface Score {
  /** More is worse; a negative number speaks for the message. */
  readonly points: number;
  /** The rule that gave them. */
  readonly reason: string;
}
/** A copy for a mailbox of the dev inbox, durable with the commit that ends the phase. */
export interface Deposit {
  /** Whose copy it is. */
  readonly recipient: Recipient;
  /** The mailbox. */
  readonly inbox: string;
}
/**
 * What a condition may look at, in any phase. `recipient` is there in rcpt only, `sender` is null before MAIL too.
 *
 * @example
 * ```ts
 * import { type Facts, on, reject, runPhase, when } from "postern";
 * import { assertEquals } from "@std/assert";
 * const foreign = ({ client, sender }: Facts) => client.identity === null && sender?.domain === "example.org";
 * const guard = when(foreign, on("mail", () => reject("5.7.1", "That is our name")));
 * assertEquals((await runPhase(guard, "mail", { from: "ann@example.org" })).reply.code, 550);
 * ```
 */
export interface Facts {
  /** The phase that is being decided. */
  readonly phase: Phase;
  /** What the listener is for. */
  readonly role: Role;
  /** The listener's name. */
  readonly listener: string;
  /** This site. */
  readonly host: Host;
  /** The peer. */
  readonly client: Client;
  /** What the peer called itself; empty before EHLO. */
  readonly helo: string;
  /** The sender; null for `<>`. */
  readonly sender: Address | null;
  /** The recipient that is being decided. */
  readonly recipient: Recipient | null;
  /** The accepted ones so far. */
  readonly recipients: readonly Recipient[];
  /** What plugins before this place left. */
  get<T>(key: Key<T, Scope>): T | undefined;
}
