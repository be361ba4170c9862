/**
 * Every change that a handler makes, as plain data: applied (transaction_context.ts), held back (observe), posted across a
 * sandbox, or written to the ledger, it is always the same value. Keys are no effects: they are facts.
 */
import type { Address } from "../model/address.ts";
import type { Route } from "../model/envelope.ts";
import type { Reply } from "../model/reply.ts";
import type { Phase } from "./plugin.ts";

/** `recipient` is the place in `ctx.recipients`. A reply survives a clone as its fields. */
export type Effect =
  | { readonly do: "identify"; readonly user: string }
  | { readonly do: "route"; readonly route: Route }
  | { readonly do: "expand"; readonly members: readonly Address[] }
  | { readonly do: "score"; readonly points: number; readonly reason: string }
  /** A null value removes every field of that name. */
  | { readonly do: "header"; readonly name: string; readonly value: string | null }
  | { readonly do: "hold"; readonly reason: string }
  | { readonly do: "refuse"; readonly recipient: number; readonly reply: Reply<"defer" | "reject"> }
  | { readonly do: "settle"; readonly recipient: number; readonly result: "stored" | "discarded" }
  | { readonly do: "deposit"; readonly recipient: number; readonly inbox: string };

const MESSAGE: readonly Phase[] = ["data", "queue", "deliver"];

/** Where an effect has a meaning. The types say so too; this is for plugins that were not compiled against them. */
export const EFFECT_PHASES: { readonly [D in Effect["do"]]: readonly Phase[] } = {
  identify: ["auth"],
  route: ["rcpt"],
  expand: ["rcpt"],
  score: MESSAGE,
  header: MESSAGE,
  hold: ["data", "queue"],
  refuse: ["data", "queue"],
  settle: ["queue"],
  deposit: ["queue"],
};
