/**
 * Every change that a handler makes, as plain data: applied (transaction_context.ts), held back (observe), posted across a
 * sandbox, or written to the ledger, it is always the same value. Keys are no effects: they are facts.
 */
import { type Address, formatAddress, parseAddress } from "../model/address.ts";
import type { PluginRoute } from "../model/envelope.ts";
import type { FieldChange } from "../model/field_changes.ts";
import { Reply } from "../model/reply.ts";
import type { Signer } from "./contexts/contexts.ts";
import type { Body } from "../store/store.ts";
import type { Phase } from "./plugin.ts";

/**
 * `recipient` is the place in `ctx.recipients`. A reply survives a clone as its fields. `sign` alone is no data: what is
 * to be signed is known when a peer has said what it can read, so a function is asked then. A sandbox sends its own.
 */
export type Effect =
  | { readonly do: "identify"; readonly user: string }
  | { readonly do: "route"; readonly route: PluginRoute }
  | { readonly do: "expand"; readonly members: readonly Address[] }
  | { readonly do: "copy"; readonly address: Address }
  | { readonly do: "score"; readonly points: number; readonly reason: string }
  /** A null value removes every field of that name. */
  | { readonly do: "header"; readonly name: string; readonly value: string | null }
  /** One field of that name, where the first of them stood. */
  | { readonly do: "replace"; readonly name: string; readonly value: string }
  /** By their places in the header section as it stands. */
  | { readonly do: "fields"; readonly changes: readonly FieldChange[] }
  | { readonly do: "hold"; readonly reason: string }
  /** The whole message, the header section as it was received. */
  | { readonly do: "rewrite"; readonly body: Body; readonly reason: string }
  | { readonly do: "suppress"; readonly address: Address; readonly reason: string; readonly seconds: number | null }
  | { readonly do: "refuse"; readonly recipient: number; readonly reply: Reply<"defer" | "reject"> }
  | { readonly do: "drop"; readonly recipient: number }
  | { readonly do: "settle"; readonly recipient: number; readonly result: "stored" | "discarded" }
  | { readonly do: "deposit"; readonly recipient: number; readonly inbox: string }
  /** A null recipient: of all. */
  | { readonly do: "reversePath"; readonly address: Address; readonly recipient: number | null }
  | { readonly do: "forwardPath"; readonly recipient: number; readonly address: Address }
  | { readonly do: "postpone"; readonly until: number }
  | { readonly do: "sign"; readonly signer: Signer };

const MESSAGE: readonly Phase[] = ["data", "queue", "deliver"];

/** Where an effect has a meaning. */
const EFFECT_PHASES: { readonly [D in Effect["do"]]: readonly Phase[] } = {
  identify: ["auth"],
  route: ["rcpt", "deliver"],
  expand: ["rcpt"],
  copy: ["data"],
  score: MESSAGE,
  header: MESSAGE,
  replace: MESSAGE,
  fields: MESSAGE,
  hold: MESSAGE,
  rewrite: ["data"],
  suppress: ["data"],
  refuse: MESSAGE,
  drop: ["data"],
  settle: ["queue"],
  deposit: ["queue"],
  reversePath: ["mail", "data", "deliver"],
  forwardPath: ["deliver"],
  postpone: ["deliver"],
  sign: ["deliver"],
};
const MAX_MEMBERS = 10_000;

/**
 * The effect, if it makes sense in the phase. The types say the same; this is for plugins that were not compiled against
 * them, and for what no type can say: a result that is no Reply would lose a message, an address with a line end in it
 * would write a command of its own (case 67).
 *
 * @throws {TypeError} saying what is wrong: the plugin's error.
 */
export function checkEffect(effect: Effect, phase: Phase): Effect {
  if (!EFFECT_PHASES[effect.do]?.includes(phase)) throw new TypeError(`${effect.do}() has no meaning in ${phase}`);
  switch (effect.do) {
    case "identify":
      text("identify", effect.user);
      break;
    case "route": {
      const { to, ...rest } = effect.route;
      if (to !== "local" && to !== "remote") throw new TypeError(`route() wants { to: "local" } or { to: "remote" }`);
      if (to === "local" && phase === "deliver") throw new TypeError(`route() wants { to: "remote" } in deliver`);
      for (const name of Object.values(rest)) if (name !== undefined) text("route", name);
      if (to === "local") text("route", (effect.route as { plugin: string }).plugin);
      break;
    }
    case "expand":
      if (effect.members.length > MAX_MEMBERS) throw new TypeError(`expand() wants at most ${MAX_MEMBERS} members`);
      return { do: "expand", members: effect.members.map((each) => canonical("expand", each)) };
    case "copy":
      return { do: "copy", address: canonical("copyTo", effect.address) };
    case "suppress":
      text("suppress", effect.reason);
      if (effect.seconds !== null && !(effect.seconds >= 1)) throw new TypeError("suppress() wants seconds, or null");
      return { ...effect, address: canonical("suppress", effect.address) };
    case "rewrite":
      text("rewrite", effect.reason);
      break;
    case "reversePath":
    case "forwardPath":
      return { ...effect, address: canonical(effect.do, effect.address) };
    case "fields":
      for (const change of effect.changes) {
        const { value } = change, place = "at" in change ? change.at : change.before;
        if (
          !Number.isSafeInteger(place) || place < 0 || typeof value !== "string" && !("at" in change && value === null)
        ) {
          throw new TypeError(`changeFields() wants places and values, not ${JSON.stringify(change)}`);
        }
      }
      break;
    case "postpone":
      if (!Number.isFinite(effect.until)) throw new TypeError(`postpone() wants a moment, not ${effect.until}`);
      break;
    case "sign":
      if (typeof effect.signer !== "function") throw new TypeError("sign() wants a function");
      break;
    case "score":
      if (!Number.isFinite(effect.points)) throw new TypeError(`score() wants a number, not ${effect.points}`);
      break;
    case "refuse":
      if (!(effect.reply instanceof Reply) || (effect.reply as Reply).verdict === "accept") {
        throw new TypeError("refuse() wants a refusal");
      }
      break;
    case "settle":
      if (effect.result !== "stored" && effect.result !== "discarded") {
        throw new TypeError(`settle() wants "stored" or "discarded"`);
      }
      break;
    case "deposit":
      text("deposit", effect.inbox);
  }
  return effect;
}

function text(verb: string, value: unknown): void {
  if (typeof value !== "string" || value === "" || /\p{Cc}/u.test(value)) {
    throw new TypeError(`${verb}() wants a text, not ${JSON.stringify(value)}`);
  }
}

function canonical(verb: string, given: Address): Address {
  const written = formatAddress(given), address = parseAddress(written);
  if (address === null) throw new TypeError(`${verb}() wants addresses, not ${JSON.stringify(written)}`);
  return address;
}

/** An effect for observers: data alone. */
export function told(effect: Effect): unknown {
  if (effect.do === "sign") return { do: "sign" };
  return effect.do === "rewrite" ? { do: "rewrite", reason: effect.reason, size: effect.body.size } : effect;
}
