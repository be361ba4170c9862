/**
 * What a plugin under test is to see, every fact with a default, and what came of it. Types only.
 * Non-job: taking it through the phases (simulation.ts).
 */
import type { Address } from "../../model/address.ts";
import type { AuthResult } from "../../model/authres.ts";
import type { HeaderEdits, MailParameters, Origin, RcptParameters, Route } from "../../model/envelope.ts";
import type { Reply } from "../../model/reply.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { Decision, Event } from "../../observe/events.ts";
import type { Counters } from "../../store/store.ts";
import type { CallAhead, Client, DeliverContext, Deposit, Host, Recipient, Role, Score } from "../contexts/contexts.ts";
import type { Row } from "../endings/settlement.ts";
import type { Key, Scope } from "../key.ts";
import type { Phase } from "../plugin.ts";
import type { NextHopAnswer, SimulatedDeparture } from "./simulated_departure.ts";

/** One recipient of the simulated envelope; a string is an address without parameters. */
export type SimulatedRecipient =
  | string
  | {
    readonly address: string;
    /** In `deliver`: what the client named, where that was another address. */
    readonly original?: string;
    readonly parameters?: RcptParameters;
    readonly route?: Route;
  };

/**
 * A client that logs in. No SASL is spoken: what it proves is said here.
 *
 * @example
 * ```ts
 * import { on, simulate } from "postern";
 * import { assertEquals } from "@std/assert";
 * const everybody = on("auth", async (ctx, next) => {
 *   if (await ctx.credentials.verify("secret")) ctx.identify(ctx.credentials.user);
 *   return next();
 * });
 * const good = await simulate([everybody], { login: { user: "ann", password: "secret" } });
 * const bad = await simulate([everybody], { login: { user: "ann", password: "guess" } });
 * assertEquals([good.identity, bad.identity, bad.reply.code], ["ann", null, 535]);
 * ```
 */
export interface SimulatedLogin {
  /** Default: PLAIN. */
  readonly mechanism?: string;
  /** Whose secret it is; empty where only a token says it. */
  readonly user: string;
  /** The password, or the token. `reveal` shows it for the mechanisms that show theirs. */
  readonly password: string;
  /**
   * What `verify` says of what is stored, and what `decoy` does without saying it. Default: whether it is the password;
   * for CRAM-MD5 `{CRAM-MD5}` and the password, for EXTERNAL `SHA256:` and the fingerprint of the client's certificate.
   */
  readonly verify?: (stored: string) => boolean | Promise<boolean>;
}

/**
 * What a plugin under test is to see; all of it has a default.
 *
 * @example
 * ```ts
 * import { key, on, reject, simulate, type Simulated } from "postern";
 * import { assertEquals } from "@std/assert";
 * const COUNTRY = key<string>("country", "connection");
 * const abroad = on("mail", (ctx, next) => ctx.get(COUNTRY) === "XX" ? reject("5.7.1", "Not from there") : next());
 * const facts: Simulated = { ip: "192.0.2.7", from: "a@example.net", to: "b@example.org", keys: [[COUNTRY, "XX"]] };
 * assertEquals((await simulate([abroad], facts)).reply.text, "Not from there");
 * ```
 */
export interface Simulated {
  /** Default: 192.0.2.1. */
  readonly ip?: string;
  /** Default: client.example.net. */
  readonly helo?: string;
  /** Default: none. */
  readonly tls?: Client["tls"];
  /** Who is logged in from the start. */
  readonly identity?: string | null;
  /** Runs the phase auth. In `runPhase`: user and password "user" and "password" unless said. */
  readonly login?: SimulatedLogin;
  /** The sender, a@example.net by default; null for `<>`. */
  readonly from?: string | null;
  /** `simulate`: none by default. `runPhase`: b@example.org. */
  readonly to?: SimulatedRecipient | readonly SimulatedRecipient[];
  /** Header and body; LF becomes CRLF in a string. */
  readonly message?: string | Uint8Array<ArrayBuffer>;
  /** What MAIL said besides the address. */
  readonly parameters?: Partial<MailParameters>;
  /** Default: mx. */
  readonly role?: Role;
  /** Default: 127.0.0.1:25. */
  readonly listener?: string;
  /** Default: mx.example.org, whose local domain is example.org. */
  readonly host?: Partial<Host>;
  /** Default: no name exists. */
  readonly dns?: Resolver;
  /** What `ctx.store` reads and writes; give two runs one of them to see them share it. */
  readonly counters?: Counters;
  /** The clock, milliseconds since 1970; default: it stands still. */
  readonly now?: () => number;
  /** What the commit answers; default: durable. */
  readonly commit?: () => Promise<Reply<"defer"> | null>;
  /** What plugins that are not there would have left. */
  readonly keys?: readonly (readonly [key: Key<unknown, Scope>, value: unknown])[];
  /** How often the queue tried before. */
  readonly tries?: number;
  /** What `ctx.callAhead` asks; default: nobody here asks other hosts. */
  readonly callAhead?: CallAhead;
  /** What `ctx.outside` is answered, by question; an error: it fails. Default: what is asked is asked. */
  readonly outside?: Readonly<Record<string, string | Error>>;
  /** What `ctx.pause` does; default: the time is over at once, and the peer has not talked. */
  readonly pause?: (milliseconds: number) => Promise<boolean>;
  /** Of an attempt in `deliver`; default: the first recipient's domain, by its own hosts. */
  readonly destination?: Partial<DeliverContext["destination"]>;
  /** Who brought the message that is on its way out; default: the client above. */
  readonly origin?: Partial<Origin>;
  /** What the next hop says of each recipient; default: it takes them all. */
  readonly attempt?: NextHopAnswer;
}

/**
 * What came of it.
 *
 * @example
 * ```ts
 * import { on, simulate } from "postern";
 * import { assertEquals } from "@std/assert";
 * const inbox = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()), { name: "inbox" });
 * const marks = on("data", (ctx, next) => (ctx.prependHeader("X-Seen", "yes"), next()), { name: "marks" });
 * const result = await simulate([inbox, marks], { to: "bob@example.org", message: "Subject: x\n\nhi\n" });
 * assertEquals([result.reply.code, result.rows.length], [250, 1]);
 * assertEquals(result.output.split("\r\n")[0], "X-Seen: yes");
 * assertEquals(result.decisions.map(({ plugin, phase }) => `${plugin} ${phase}`), ["inbox rcpt", "marks data"]);
 * ```
 */
export interface SimulatedResult {
  /** The last reply: what the client was told in the end. */
  readonly reply: Reply;
  /** Every phase that ran, with its reply. */
  readonly replies: readonly { readonly phase: Phase; readonly reply: Reply }[];
  /** Who made up its mind, and why. */
  readonly decisions: readonly Decision[];
  /** Everything that observers were told. */
  readonly events: readonly Event[];
  /** The accepted ones, aliases expanded. */
  readonly recipients: readonly Recipient[];
  /** What the queue was given to keep; empty when nothing was committed. */
  readonly rows: readonly Row[];
  /** Copies for the dev inbox. */
  readonly deposits: readonly Deposit[];
  /** What was found out about who sent it. */
  readonly authResults: readonly AuthResult[];
  /** Addresses for the suppression list; empty unless the message was accepted. */
  readonly suppressed: readonly {
    readonly address: Address;
    readonly reason: string;
    readonly seconds: number | null;
  }[];
  /** Milliseconds of each `ctx.pause`. */
  readonly pauses: readonly number[];
  /** Points, in the order they were given. */
  readonly scores: readonly Score[];
  /** Why the message is held; null when it is not. */
  readonly held: string | null;
  /** Changes to its header. */
  readonly edits: HeaderEdits;
  /** The message as it would be written, edits applied; empty without one. */
  readonly output: string;
  /** In `deliver`: what the attempt was asked to do; null in other phases. */
  readonly departure: SimulatedDeparture | null;
  /** Who the client is logged in as in the end. */
  readonly identity: string | null;
  /** The reply to each accepted RCPT after the message, for LMTP. */
  readonly recipientReplies: readonly Reply[];
  /** What plugins left. For a key of a recipient ask `recipients`. */
  get<T>(key: Key<T, Scope>): T | undefined;
}
