/**
 * Errors on purpose, to see what a program does when its mail server is difficult: by rules of the configuration, by rules
 * that are set while the server runs, and by addresses that ask for them (`reject-550-5.1.1@...`). For development: it
 * refuses good mail. Stands first in the list. Non-job: what a rule says (rule.ts), what an address says (address.ts).
 */
import { z } from "zod";
import {
  type Address,
  type Counters,
  definePlugin,
  formatAddress,
  type PluginFactory,
  type Reply,
} from "../../../core/pipeline/mod.ts";
import { type Script, scriptOf } from "./address.ts";
import { LASTING, NO_RULES, readRules, type RuleSet, usedName } from "./rules.ts";
import { type Moment, MOST_RULES, type Rule, ruleOf, RuleOptions } from "./rule.ts";

const Options = z.strictObject({
  addresses: z.boolean().default(true).describe(
    "Addresses ask for errors by their local parts: `reject-550@`, `you+defer-451-once@`, `slow-5s@`",
  ),
  rules: z.array(RuleOptions).max(MOST_RULES).default([]).describe("Rules, the first that suits counts; see below"),
});

/** What all phases have here. `pause` is there where a peer can be made to wait. */
interface Ctx {
  readonly store: Counters;
  pause?(milliseconds: number): Promise<boolean>;
}
/** Of one moment: whom a rule with `times` counts for. */
type Asked = Moment & { readonly scripts?: readonly Rule[] };

/**
 * @example
 * ```ts
 * import { chaos } from "./mod.ts";
 * import { runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const plugin = chaos({ rules: [{ to: "full@*", answer: "452 4.2.2 Mailbox full" }] });
 * const { reply } = await runPhase(plugin, "rcpt", { to: "full@example.org" });
 * assertEquals(reply.toString(), "452 4.2.2 Mailbox full");
 * ```
 */
export const chaos: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "chaos",
  options: Options,
  create({ addresses, rules }, setup) {
    const configured = rules.map((rule, n) =>
      ruleOf(rule, { id: `c${n + 1}`, about: `rule ${n + 1} of the configuration` })
    );
    let known: { readonly text: string | undefined; readonly rules: readonly Rule[] } = { text: undefined, rules: [] };
    setup.mechanisms([]); // it checks nobody's password, it only spoils logins

    /** Those that were set while it runs come first. */
    async function current(store: Counters): Promise<readonly Rule[]> {
      const text = await store.get("rules");
      if (text !== known.text) known = { text, rules: madeOf(text === undefined ? NO_RULES : readRules(text)) };
      return known.rules;
    }

    /** What goes wrong now; null: nothing. */
    async function spoil(ctx: Ctx, { scripts = [], ...moment }: Asked): Promise<Reply<"defer" | "reject"> | null> {
      for (const rule of [...await current(ctx.store), ...configured, ...scripts]) {
        if (!rule.suits(moment) || rule.rate < 1 && Math.random() >= rule.rate) continue;
        if (rule.times !== null) {
          const name = `times ${rule.id} ${subjectOf(moment)}`;
          if (await ctx.store.add(name, 1, { seconds: LASTING }) > rule.times) continue;
        }
        await ctx.store.add(usedName(rule.id), 1, { seconds: LASTING });
        if (rule.delay > 0) await ctx.pause?.(rule.delay);
        if (rule.deed !== "pass") return rule.deed.say;
      }
      return null;
    }

    /** What an address asks for in the phase; `standard`: unless it says another. */
    const asked = (address: Address | null, { phase, standard }: Record<"phase" | "standard", Script["phase"]>) => {
      const script = addresses && address !== null ? scriptOf(address.local, standard) : null;
      if (script === null || script.phase !== phase) return [];
      return [{ ...script, id: "address", about: "", rate: 1, suits: () => true }];
    };

    return {
      async connect(ctx, next) {
        return await spoil(ctx, { phase: "connect", ip: ctx.client.ip }) ?? next();
      },
      async helo(ctx, next) {
        return await spoil(ctx, { phase: "helo", ip: ctx.client.ip }) ?? next();
      },
      async auth(ctx, next) {
        return await spoil(ctx, { phase: "auth", ip: ctx.client.ip, user: ctx.credentials.user }) ?? next();
      },
      async mail(ctx, next) {
        const { client: { ip }, sender } = ctx;
        return await spoil(ctx, {
          phase: "mail",
          ip,
          sender,
          scripts: asked(sender, { phase: "mail", standard: "mail" }),
        }) ?? next();
      },
      async rcpt(ctx, next) {
        const { client: { ip }, sender, recipient: { address, origin, copy } } = ctx;
        if (origin !== null || copy) return next(); // members of an alias are our doing
        const scripts = [
          ...asked(address, { phase: "rcpt", standard: "rcpt" }),
          ...asked(sender, { phase: "rcpt", standard: "mail" }),
        ];
        return await spoil(ctx, { phase: "rcpt", ip, sender, recipients: [address], scripts }) ?? next();
      },
      async data(ctx, next) {
        const { client: { ip }, sender } = ctx, recipients = ctx.recipients.map(({ original }) => original);
        const scripts = [
          ...recipients.flatMap((each) => asked(each, { phase: "data", standard: "rcpt" })).slice(0, 1),
          ...asked(sender, { phase: "data", standard: "mail" }),
        ];
        return await spoil(ctx, { phase: "data", ip, sender, recipients, scripts }) ?? next();
      },
    };
  },
});

function madeOf({ set, rules }: RuleSet): readonly Rule[] {
  return rules.map((rule, n) => ruleOf(rule, { id: `${set}.${n + 1}`, about: `rule ${n + 1} of those set by hand` }));
}

/** Whom a rule counts its times for: who says what to whom. */
function subjectOf({ ip, user, sender, recipients = [] }: Moment): string {
  if (sender === undefined) return user ?? ip;
  return [sender, recipients[0] ?? null].map((each) => formatAddress(each)).join(" ").slice(0, 600);
}
