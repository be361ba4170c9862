/**
 * Every message between the host and the shim, as types: structured clones, so data alone. What the host sends can be
 * relied on; what comes out of a sandbox may be anything, and is read as such (incoming.ts).
 * Non-job: carrying them (channel.ts), what a snapshot is made from (snapshot.ts).
 */
import type { Address } from "../model/address.ts";
import type { AuthResult } from "../model/authres.ts";
import type { BodyType, HeaderEdits, MailParameters, Origin, RcptParameters, Route } from "../model/envelope.ts";
import type { RecordType } from "../dns/answer.ts";
import type { Client, DeliverContext, Host, RemoteRoute, Role, Score } from "../pipeline/contexts/contexts.ts";
import type { Effect } from "../pipeline/effect.ts";
import type { Scope } from "../pipeline/key.ts";
import type { Lesson, Phase } from "../pipeline/plugin.ts";
import type { CounterOptions, CounterQuery } from "../store/store.ts";

// ---- Values ----------------------------------------------------------------------------------------------------------

/** A reply as its parts. */
export interface WireReply {
  readonly code: number;
  readonly status: string;
  readonly text: string;
  readonly close?: boolean;
  readonly silent?: boolean;
  readonly reason?: string;
  /** It overrules the refusal that next() gave. */
  readonly over?: true;
}
/** What was thrown, as words. `kind` tells errors that have a meaning: DnsError by its fault, OutsideError, StoreError. */
export interface WireError {
  readonly message: string;
  readonly name: string;
  readonly fault?: string;
  readonly query?: string;
}
/** A value of keys by scope; what cannot be cloned is not there. */
export type WireKeys = ReadonlyMap<string, unknown>;
export interface WireRecipient {
  readonly address: Address;
  readonly original: Address;
  readonly origin: WireRecipient | null;
  readonly parameters: RcptParameters;
  readonly copy: boolean;
  readonly route: Route | null;
  readonly result: string | WireReply | null;
  readonly keys: WireKeys;
}
/** Octets that the host holds, by a number that means something to this call alone. */
export interface WireBody {
  readonly body: number;
  readonly size: number;
  /** At least the header section. */
  readonly head: Uint8Array<ArrayBuffer>;
  /** The head is all of it. */
  readonly whole: boolean;
}
/** The attempt of `deliver`. */
export interface WireDeparture {
  readonly origin: Origin;
  readonly destination: DeliverContext["destination"];
  readonly released: boolean;
  readonly nextHop: RemoteRoute | null;
  readonly reversePathForAll: Address | null;
  readonly reversePaths: ReadonlyMap<number, Address>;
  readonly forwardPaths: ReadonlyMap<number, Address>;
  readonly postponedUntil: number | null;
  readonly signers: number;
}
/** What a phase has, and no more of it. */
export interface Snapshot {
  readonly session: string;
  readonly role: Role;
  readonly listener: string;
  /** This site, by its number; `house` said what it is. */
  readonly house: number;
  /** The clock, milliseconds since 1970, where it is not the system's. */
  readonly now: number | null;
  /** Somebody stands between `ctx.outside` and what it asks: the host has to be asked. */
  readonly outside: boolean;
  readonly client: Client;
  readonly helo: string;
  readonly connectionKeys: WireKeys;
  readonly credentials?: { readonly mechanism: string; readonly user: string; readonly revealed: string | null };
  /** From MAIL on. */
  readonly mail?: {
    readonly id: string;
    readonly sender: Address | null;
    readonly parameters: MailParameters;
    readonly count: number;
    readonly keys: WireKeys;
  };
  readonly recipient?: WireRecipient;
  readonly expanded?: readonly Address[] | null;
  readonly recipients?: readonly WireRecipient[];
  /** From the last octet on. */
  readonly message?: {
    /** Absent where the call has it already. */
    readonly received?: WireBody;
    readonly bodyType: BodyType;
    readonly edits: HeaderEdits;
    readonly rewritten: WireBody | null;
    readonly authResults: readonly AuthResult[];
    readonly scores: readonly Score[];
    readonly held: string | null;
    readonly tries: number;
    readonly copies: readonly Address[];
    readonly suppressed: number;
    /** Places of recipients with a copy for the dev inbox. */
    readonly deposits: readonly number[];
    readonly attempted: boolean;
  };
  readonly departure?: WireDeparture;
}

/** An effect as data: a signer by its number inside, a body by its number of the call. */
export type WireEffect =
  | Exclude<Effect, { do: "rewrite" | "sign" | "refuse" }>
  | { readonly do: "rewrite"; readonly body: number; readonly reason: string }
  | { readonly do: "sign"; readonly signer: number }
  | { readonly do: "refuse"; readonly recipient: number; readonly reply: WireReply };
/** What a handler did, in its order. They cross with an answer, never alone: a call that is ended has done nothing. */
export type Deed =
  | { readonly deed: "effect"; readonly effect: WireEffect }
  /** `told`: the value in the key's own words, where it has some. */
  | {
    readonly deed: "set";
    readonly scope: Scope;
    readonly key: string;
    readonly value: unknown;
    readonly told: string | null;
  }
  | { readonly deed: "note"; readonly sentence: string }
  | { readonly deed: "attest"; readonly result: AuthResult }
  | { readonly deed: "alert"; readonly subject: string; readonly message: string }
  /** It called next(), here. */
  | { readonly deed: "next" };

/** What a handler answered: a reply; what next() gives, unseen (`next`) or seen (`below`); none; what it threw. */
export type Outcome =
  | { readonly is: "reply"; readonly reply: WireReply }
  | { readonly is: "next" }
  | { readonly is: "below" }
  /** No reply: what `typeof` says of it, or "null". */
  | { readonly is: "nothing"; readonly type: string }
  | { readonly is: "error"; readonly error: WireError }
  /** It looked at what next() gives where that was not known yet: to be asked again, and told of it next time. */
  | { readonly is: "again" };

// ---- Questions from inside -------------------------------------------------------------------------------------------

/** What a promise of a context asks for; answered by `response`. */
export type Question =
  | { readonly ask: "dns"; readonly type: "a" | "aaaa" | "mx" | "txt" | "ptr"; readonly name: string }
  | { readonly ask: "lookup"; readonly type: RecordType; readonly name: string }
  | { readonly ask: "get"; readonly name: string }
  | { readonly ask: "put"; readonly name: string; readonly value: string; readonly options: CounterOptions }
  | { readonly ask: "add"; readonly name: string; readonly amount: number; readonly options: CounterOptions }
  | { readonly ask: "list"; readonly query: CounterQuery }
  /** The next octets of a body, null at its end. Reads with the same `reader` go on where the last one ended. */
  | { readonly ask: "read"; readonly body: number; readonly reader: number }
  | { readonly ask: "unread"; readonly reader: number }
  /** Another body: its octets without the header section, which is the host's to write. */
  | { readonly ask: "write"; readonly body: number; readonly octets: Uint8Array<ArrayBuffer> }
  | { readonly ask: "finish"; readonly body: number }
  | { readonly ask: "discard"; readonly body: number }
  | { readonly ask: "verify"; readonly stored: string }
  | { readonly ask: "decoy"; readonly stored: string }
  | { readonly ask: "pause"; readonly milliseconds: number }
  | { readonly ask: "callAhead"; readonly sender: Address | null; readonly route: RemoteRoute }
  /** The host asks back with `outside` unless it knows the answer. */
  | { readonly ask: "outside"; readonly question: string; readonly number: number }
  | { readonly ask: "alert"; readonly subject: string; readonly message: string }
  | {
    readonly ask: "send";
    readonly from: Address | null;
    readonly to: readonly Address[];
    readonly content: Uint8Array<ArrayBuffer>;
  };

// ---- What a plugin is ------------------------------------------------------------------------------------------------

/** With what it is made. */
export interface Making {
  /** Its options as written. */
  readonly options: unknown;
  /** Where they stand. */
  readonly at: readonly (string | number)[];
  /** Folder that relative paths in options start from. */
  readonly base: string;
  /** The name the operator gave it, or null: its own. */
  readonly name: string | null;
}
/** What came of it. */
export interface Description {
  readonly name: string;
  readonly phases: readonly Phase[];
  readonly after: readonly string[];
  readonly roles: readonly Role[] | null;
  readonly bindsSender: boolean;
  readonly asksEngine: boolean;
  readonly routesTo: readonly string[];
  readonly routesVia: readonly string[];
  readonly mechanisms: readonly string[] | null;
  readonly deadline: number | null;
  readonly observes: boolean;
  readonly learns: boolean;
  readonly jobs: readonly { readonly name: string; readonly every: number; readonly after: number }[];
  /** JSON Schema of its options; `{}` where it cannot be said. */
  readonly schema: Readonly<Record<string, unknown>>;
}
/** A fault of the options. */
export interface WireIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

// ---- The messages ----------------------------------------------------------------------------------------------------

/** To the inside. `call` numbers count up; a signer, a job and a lesson are calls too. */
export type Inward =
  /** Says what it is, and holds nothing for it. Answered by `described` or `refused`. */
  | { readonly do: "describe"; readonly making: Making }
  /** Makes it and starts it. Answered by `begun` or `refused`. */
  | { readonly do: "begin"; readonly making: Making }
  | { readonly do: "house"; readonly house: number; readonly host: Host }
  /** `tail`: a next() whose answer nobody looks at costs no trip. Answered by `answer`, perhaps after `below`. */
  | {
    readonly do: "call";
    readonly call: number;
    readonly phase: Phase;
    readonly snapshot: Snapshot;
    readonly tail: boolean;
  }
  /** What next() gave, and what is known by now. */
  | { readonly do: "below"; readonly call: number; readonly reply: WireReply; readonly snapshot: Snapshot }
  /** Nobody waits for this call any more. */
  | { readonly do: "abort"; readonly call: number; readonly why: string; readonly name: string }
  | {
    readonly do: "response";
    readonly call: number;
    readonly question: number;
    readonly value?: unknown;
    readonly error?: WireError;
    readonly now: number | null;
  }
  /** Ask yourself: the question of this number. Answered by `asked`. */
  | { readonly do: "outside"; readonly call: number; readonly question: number }
  | {
    readonly do: "sign";
    readonly call: number;
    readonly signer: number;
    readonly content: WireBody;
    readonly now: number | null;
  }
  /** Nobody will ask this signer any more. */
  | { readonly do: "free"; readonly signer: number }
  | {
    readonly do: "job";
    readonly call: number;
    readonly job: number;
    readonly house: number;
    readonly now: number | null;
  }
  | {
    readonly do: "learn";
    readonly call: number;
    readonly content: Uint8Array<ArrayBuffer>;
    readonly as: Lesson;
    readonly now: number | null;
  }
  | { readonly do: "observe"; readonly call: number; readonly event: unknown; readonly now: number | null }
  | { readonly do: "ping"; readonly ping: number }
  /** Let go of everything; answered by `stopped`. */
  | { readonly do: "stop" };

/** To the outside. */
export type Outward =
  /** The shim has been loaded; what comes next is the plugin's own time. */
  | { readonly do: "loaded" }
  | { readonly do: "described"; readonly description: Description }
  | { readonly do: "begun" }
  /**
   * Not with these options; or what it threw. With the JSON Schema of its options, where there is one, and with what its
   * own schema said, as JSON: for whoever words that.
   */
  | {
    readonly do: "refused";
    readonly issues: readonly WireIssue[];
    readonly schema?: Description["schema"];
    readonly said?: string;
  }
  | { readonly do: "below"; readonly call: number; readonly deeds: readonly Deed[] }
  | { readonly do: "answer"; readonly call: number; readonly deeds: readonly Deed[]; readonly outcome: Outcome }
  /** Of a signer, a job, a lesson, an event. */
  | { readonly do: "done"; readonly call: number; readonly value?: string; readonly error?: WireError }
  | { readonly do: "question"; readonly call: number; readonly question: number; readonly about: Question }
  /** The answer to a question is not wanted any more. */
  | { readonly do: "cancel"; readonly call: number; readonly question: number }
  | {
    readonly do: "asked";
    readonly call: number;
    readonly question: number;
    readonly value?: string;
    readonly error?: WireError;
  }
  /** A verb of an ended call: of no effect, and told to the operator. */
  | { readonly do: "late"; readonly call: number; readonly what: string }
  /** For the operator. */
  | { readonly do: "trouble"; readonly message: string }
  /** Something was thrown where nobody catches it, or it wants to end: it is to be ended. */
  | { readonly do: "crashed"; readonly why: string }
  | { readonly do: "pong"; readonly ping: number }
  | { readonly do: "stopped" };
