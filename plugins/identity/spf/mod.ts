/**
 * SPF at MAIL: checks the sender's domain (the HELO name for the null sender), leaves the finding under `SPF`, refuses
 * where the operator says so, writes Received-SPF and attests it (RFC 7208 8, 9.1, RFC 8601 2.7.2; codes of RFC 7372 3.2).
 * Non-job: evaluating records (check_host.ts).
 */
import { z } from "zod";
import {
  type Context,
  type DataContext,
  defer,
  definePlugin,
  formatAddress,
  isLoopback,
  type Lasting,
  type MailContext,
  Networks,
  type PluginFactory,
  reject,
  type Reply,
} from "../../../core/pipeline/mod.ts";
import { network, PRIVATE } from "../schema.ts";
import { unchecked } from "../unchecked.ts";
import { checkHost, type Identity } from "./check_host.ts";
import { SPF, SPF_HELO, type SpfFinding } from "./key.ts";
import { receivedSpf } from "./received_spf.ts";
import { sentenceOf } from "./telling.ts";

export { SPF, SPF_HELO, type SpfFinding, type SpfResult } from "./key.ts";

const Options = z.strictObject({
  fail: z.enum(["mark", "reject"]).default("mark").describe("The domain says no: refuse, or only note it"),
  softfail: z.enum(["mark", "reject"]).default("mark").describe("The domain says probably not"),
  permerror: z.enum(["mark", "reject"]).default("mark").describe("The domain's record is wrong"),
  temperror: z.enum(["pass", "defer"]).default("pass").describe("Name service failed: go on, or ask to come again"),
  helo: z.boolean().default(false).describe("Check the HELO name too; a fail of it counts like one of the sender"),
  networks: z.array(network).default([]).describe("Clients that are not checked: relays of your own"),
});

const MAX_TOLD = 160; // characters of the domain's own words in a reply

/**
 * @example
 * ```ts
 * import { spf } from "./mod.ts";
 * const plugin = spf({ fail: "reject", networks: ["192.0.2.0/28"] });
 * ```
 */
export const spf: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "spf",
  options: Options,
  roles: ["mx"],
  create(options) {
    const skipped = new Networks([...PRIVATE, ...options.networks]);

    /** Null: nothing against it. */
    function verdict(finding: SpfFinding, ip: string) {
      const { result, domain, explanation } = finding, reason = sentenceOf(finding, ip);
      if (result === "fail" && options.fail === "reject" || result === "softfail" && options.softfail === "reject") {
        const told = explanation === null ? "" : `; ${domain} says: ${explanation.slice(0, MAX_TOLD)}`; // 8.4: whose words
        return reject("5.7.23", `SPF validation failed: ${domain} does not permit ${ip} to send for it${told}`, {
          reason,
        });
      }
      if (result === "permerror" && options.permerror === "reject") {
        return reject("5.7.24", `SPF validation error: the record of ${domain} cannot be evaluated`, { reason });
      }
      if (result === "temperror" && options.temperror === "defer") {
        return defer("4.4.3", `Name service failed while checking SPF of ${domain}, try again later`, { reason }); // 8.6
      }
      return null;
    }

    /** Checks what is to be checked, and leaves it under the keys. The refusal, or null. */
    async function check(ctx: MailContext): Promise<Reply<"defer" | "reject"> | null> {
      const { client: { ip }, helo, sender } = ctx;
      // Together: each has its own 20 s, and a slow HELO domain takes none of the sender's.
      const [greeted, sent] = await Promise.all([
        options.helo || sender === null ? checkHelo(ctx) : null,
        sender === null ? null : find(ctx, "mailfrom", { ip, helo, domain: sender.domain, local: sender.local }),
      ]);
      const finding = sent ?? greeted!;
      ctx.set(SPF, finding);
      ctx.note(sentenceOf(finding, ip));
      if (sent !== null && greeted !== null) ctx.note(sentenceOf(greeted, ip));
      return (greeted?.result === "fail" ? verdict(greeted, ip) : null) ?? verdict(finding, ip);
    }

    /** The HELO name does not change from message to message, nor does what it is worth. */
    async function checkHelo(ctx: MailContext): Promise<SpfFinding> {
      const known = ctx.get(SPF_HELO);
      if (known?.domain === ctx.helo && known.result !== "temperror") return known;
      const finding = await find(ctx, "helo", { ip: ctx.client.ip, helo: ctx.helo, domain: ctx.helo, local: "" });
      ctx.set(SPF_HELO, finding);
      return finding;
    }

    return {
      mail(ctx, next) {
        const { ip, identity } = ctx.client;
        if (identity !== null || isLoopback(ip) || skipped.has(ip)) { // and no promise
          ctx.note(unchecked(ctx.client));
          return next();
        }
        return check(ctx).then((refusal) => refusal ?? next());
      },
      data(ctx, next) {
        const finding = ctx.get(SPF);
        if (finding === undefined) return next();
        const helo = options.helo && finding.identity !== "helo" ? ctx.get(SPF_HELO) : undefined;
        for (const each of helo === undefined ? [finding] : [helo, finding]) { // one field each: RFC 7208 9.1
          attest(ctx, each);
          ctx.prependHeader(
            "Received-SPF",
            receivedSpf({
              finding: each,
              ip: ctx.client.ip,
              sender: formatAddress(ctx.sender),
              helo: ctx.helo,
              receiver: ctx.host.name,
              utf8: ctx.parameters.smtputf8,
            }),
          );
        }
        return next();
      },
    };
  },
});

/** The domain alone: nothing was proven about a local part (RFC 8601 2.7.2). */
function attest(ctx: DataContext, { result, identity, domain, problem }: SpfFinding): void {
  ctx.attest({
    method: "spf",
    result,
    ...problem !== null && { reason: problem },
    properties: [[`smtp.${identity}`, domain]],
  });
}

async function find(
  ctx: Context<Lasting>,
  identity: SpfFinding["identity"],
  who: Identity,
): Promise<SpfFinding> {
  const found = await checkHost(who, ctx.dns, { receiver: ctx.host.name, now: ctx.now(), signal: ctx.signal });
  return { ...found, identity, domain: who.domain };
}
