/**
 * One entry of a plugin list: the plugin's key, and beside it the host's words. `when` and `unless` become tests here.
 * Non-job: making the plugin (plugins.ts).
 */
import { z } from "zod";
import type { Address } from "../model/address.ts";
import { DomainSet } from "../model/domain.ts";
import { Networks } from "../model/ip.ts";
import type { Answer, Handler, Handlers, Next, Phase, Plugin } from "../pipeline/plugin.ts";
import { domainPattern, network, Role } from "./schema.ts";
import { duration } from "./units.ts";

function oneOrMore<T extends z.ZodType>(schema: T) {
  return z.union([schema, z.array(schema).min(1)]).transform((value) => Array.isArray(value) ? value : [value]);
}

/** All that are given must hold; a list holds when one of it does. */
export const Conditions = z.strictObject({
  role: oneOrMore(Role).optional().describe("The listener's role."),
  listener: oneOrMore(z.string()).optional().describe("The listener's name."),
  authenticated: z.boolean().optional().describe("Whether the client has proved an identity."),
  network: oneOrMore(network).optional().describe("The client's address is in it."),
  senderDomain: oneOrMore(domainPattern).optional().describe("The domain of MAIL FROM."),
  recipientDomain: oneOrMore(domainPattern).optional().describe("The domain of the recipient, or of one of them."),
});
export type Conditions = z.output<typeof Conditions>;

export const HOST_WORDS = {
  as: z.string().regex(/^[A-Za-z][\w.-]{0,63}$/, {
    error: "must begin with a letter and have only letters, digits, dots, dashes and underscores",
  }).describe("The name in ledger, metrics and `after`; needed when a plugin stands twice."),
  mode: z.enum(["enforce", "observe"]).describe("observe: it is asked and told, and changes nothing."),
  onError: z.enum(["defer", "skip"]).describe("What a throw or a deadline means: 451, or as if it were not there."),
  deadline: duration({ min: 10, max: 540_000 }).describe("How long it may take in one phase (30s)."),
  roles: z.array(Role).min(1).describe("Only on listeners of these roles."),
  when: Conditions.describe("Only when all of these hold."),
  unless: Conditions.describe("Not when all of these hold."),
} as const;
export const HostWords = z.strictObject(HOST_WORDS).partial();
export type HostWords = z.output<typeof HostWords>;

/** What a context may know, phase by phase; a condition on what is not known does not hold. */
interface Facts {
  readonly role: string;
  readonly listener: string;
  readonly client?: { readonly ip: string; readonly identity: string | null };
  readonly sender?: Address | null;
  readonly recipient?: { readonly address: Address };
  readonly recipients?: readonly { readonly address: Address }[];
}
type Test = (facts: Facts, phase: Phase) => boolean;

function test(conditions: Conditions): Test {
  const { role, listener, authenticated } = conditions;
  const networks = conditions.network && new Networks(conditions.network);
  const senders = conditions.senderDomain && new DomainSet(conditions.senderDomain);
  const recipients = conditions.recipientDomain && new DomainSet(conditions.recipientDomain);
  return (facts, phase) => {
    if (role && !(role as string[]).includes(facts.role)) return false;
    if (listener && !listener.includes(facts.listener)) return false;
    if (authenticated !== undefined && authenticated !== ((facts.client?.identity ?? null) !== null)) return false;
    if (networks && !(facts.client && networks.has(facts.client.ip))) return false;
    const late = phase !== "connect" && phase !== "helo" && phase !== "auth"; // from MAIL on there is a sender
    if (senders && !(late && facts.sender && senders.has(facts.sender.domain))) return false;
    if (!recipients) return true;
    if (phase === "rcpt") return facts.recipient !== undefined && recipients.has(facts.recipient.address.domain);
    const after = phase === "data" || phase === "deliver";
    return after && facts.recipients?.some((each) => recipients.has(each.address.domain)) === true;
  };
}

/**
 * The same plugin, asked only when `when` holds and `unless` does not. Its `queue` handler is left alone: there the
 * recipient's route selects, hours later too, when there is no client to ask about (SEMANTICS 2).
 */
export function selected(plugin: Plugin, words: Pick<HostWords, "when" | "unless">): Plugin {
  const wanted = words.when ? test(words.when) : () => true;
  const unwanted = words.unless ? test(words.unless) : () => false;
  const handlers = Object.entries(plugin.handlers).map(([name, run]) => {
    const phase = name as Phase, handler = run as Handler<Facts>;
    if (phase === "queue") return [phase, handler];
    return [
      phase,
      (ctx: Facts, next: Next): Answer => wanted(ctx, phase) && !unwanted(ctx, phase) ? handler(ctx, next) : next(),
    ];
  });
  return { ...plugin, handlers: Object.fromEntries(handlers) as Handlers };
}
