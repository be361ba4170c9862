/**
 * Null MX (RFC 7505): a domain that says it takes no mail is sent none from here, and nobody could answer mail that claims
 * to come from it. Asks at MAIL about the sender's domain, at RCPT about recipients that would leave.
 * Non-job: whether a domain exists, where its mail goes (delivery).
 */
import { z } from "zod";
import {
  defer,
  definePlugin,
  DnsError,
  DomainSet,
  type MailContext,
  type PluginFactory,
  type RcptContext,
  reject,
  type Reply,
} from "../../../core/pipeline/mod.ts";

const Options = z.strictObject({
  temperror: z.enum(["pass", "defer"]).default("pass").describe("Name service failed: go on, or ask to come again"),
});

const NO_SENDER = reject("5.7.27", "The sender's domain takes no mail (null MX)"); //                     RFC 7505 4.2
const NO_RECIPIENT = reject("5.1.10", "The recipient's domain takes no mail (null MX)", { code: 556 }); // RFC 7505 4.1
const NO_ANSWER = defer("4.4.3", "Name service failed for the address's domain, try again later");

/**
 * Refuses senders of domains with a null MX, and recipients there.
 *
 * @example
 * ```ts
 * import { null_mx } from "./mod.ts";
 * const plugin = null_mx({ temperror: "defer" });
 * ```
 */
export const null_mx: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "null_mx",
  options: Options,
  roles: ["mx"],
  after: ["relay", "recipients"], // they say which recipients leave
  create({ temperror }) {
    /** Null: nothing against it. */
    async function verdict(
      ctx: MailContext | RcptContext,
      domain: string,
      refusal: Reply<"reject">,
    ): Promise<Reply<"defer" | "reject"> | null> {
      try {
        const [record, ...more] = await ctx.dns.mx(domain, { signal: ctx.signal });
        return record?.exchange === "" && more.length === 0 ? refusal : null; // one beside others is a mistake: 3
      } catch (error) {
        if (!(error instanceof DnsError)) throw error;
        if (!error.temporary) return null; // no mail hosts are no null MX
        if (temperror === "defer") return NO_ANSWER;
        ctx.note(`Whether ${domain} takes mail is not known: name service failed`);
        return null; // never a permanent refusal
      }
    }

    return {
      mail(ctx, next) {
        if (ctx.sender === null || !isElsewhere(ctx.sender.domain, ctx)) return next(); // and no promise
        return verdict(ctx, ctx.sender.domain, NO_SENDER).then((refusal) => refusal ?? next());
      },
      rcpt(ctx, next) {
        const { address: { domain }, route } = ctx.recipient;
        if (route?.to !== "remote" || !isElsewhere(domain, ctx)) return next();
        return verdict(ctx, domain, NO_RECIPIENT).then((refusal) => refusal ?? next());
      },
    };
  },
});

/** A name that is not ours: address literals have no MX, and what we say of ourselves is no news. */
function isElsewhere(domain: string, { host }: MailContext | RcptContext): boolean {
  return domain !== "" && !domain.startsWith("[") && !DomainSet.of(host.domains).has(domain);
}
