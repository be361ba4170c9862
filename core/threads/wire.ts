/**
 * The words that the owner and an acceptor thread say to each other: plain values. Non-job: how they cross (exchange.ts).
 */
import type { ConfigSource, Limits, StoreConfig } from "../config/config.ts";
import type { ListenAddress } from "../net/listen_address.ts";
import type { PackedEvent } from "./packed_event.ts";
import type { CounterOptions, CounterQuery, NewMessage } from "../store/store.ts";

/** What a thread reads its configuration from, and what whoever started the server has put in the place of that. */
export interface ConfigSent {
  readonly source: ConfigSource;
  readonly data: string;
  readonly hostname: string;
  readonly limits: Limits;
  readonly store: StoreConfig;
}

/** What the owner asks of a thread. */
export type Order =
  | {
    /** First of all. Rejects with why there is no such thread. */
    readonly do: "begin";
    /** From 1; the owner is 0. */
    readonly thread: number;
    /** All that can count places. */
    readonly slots: number;
    /** What threads share is divided by so many. */
    readonly share: number;
    readonly places: SharedArrayBuffer;
    readonly vitals: SharedArrayBuffer;
    readonly config: ConfigSent;
  }
  /** Makes another configuration ready. */
  | { readonly do: "prepare"; readonly config: ConfigSent }
  /** What was prepared is not wanted; doors that were opened for it close. */
  | { readonly do: "abandon"; readonly doors: readonly number[] }
  /** What was prepared is at work now: these doors lead to these listeners, all others close. */
  | { readonly do: "switch"; readonly doors: readonly DoorSent[] }
  /** Listens; answers with the address as it was bound. */
  | { readonly do: "open"; readonly door: DoorSent }
  /** The port is a line to the store's writer, in the place of any before. */
  | { readonly do: "line"; readonly port: MessagePort }
  /** The writer is dead. Answers with what the line had under way: id and file, one after the other. */
  | { readonly do: "lineless" }
  /** Doors take nobody any more; who is there leaves within so many milliseconds. Answers when all have gone. */
  | { readonly do: "drain"; readonly milliseconds: number }
  /** Plugins end. Answers when they have. */
  | { readonly do: "stop"; readonly milliseconds: number };

/** A socket of a listener: its number, the listener's name in the configuration, and where it listens. */
export interface DoorSent {
  readonly door: number;
  readonly name: string;
  readonly address: ListenAddress;
}

/** What a thread asks of the owner. */
export type Question =
  | {
    /** With the octets of the body, then of what was received in its place, those that lie in no file. */
    readonly ask: "commit";
    readonly message: NewMessage;
    readonly body: BodySent;
    readonly received?: BodySent;
    readonly expires?: number;
  }
  | { readonly ask: "get"; readonly name: string }
  | { readonly ask: "put"; readonly name: string; readonly value: string; readonly options: CounterOptions }
  | { readonly ask: "add"; readonly name: string; readonly amount: number; readonly options: CounterOptions }
  | { readonly ask: "list"; readonly query: CounterQuery }
  /** Room in the quarantine? Null, or the refusal's words. */
  | { readonly ask: "admit"; readonly size: number };

/** `file`: in the spool folder, its octets are on disk. */
export interface BodySent {
  readonly size: number;
  readonly file: string | null;
}

/** What a thread tells the owner, with each message that it sends; `ends`: why there will be none any more. */
export interface Told {
  readonly ends?: string;
  readonly events: readonly PackedEvent[];
  /** Phases: name, verdict, milliseconds; one after the other. */
  readonly phases: readonly (string | number)[];
  /** Questions to name service: type, fault, milliseconds; one after the other. */
  readonly questions: readonly (string | number | null)[];
  /** Writes on its line: operations, milliseconds, octets of free pages; one after the other. */
  readonly writes: readonly number[];
  /** What it put into inboxes: entry and inbox, one after the other. */
  readonly arrived: readonly string[];
}
