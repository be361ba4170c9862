/**
 * Reads what comes back: bounces (RFC 3464) and complaints (ARF, RFC 5965). Who is not there any more, or does not want
 * mail from here, goes onto the suppression list; but only where something that nobody else has seen proves that the report
 * is about mail of ours to that very address (sent.ts): a forged report suppresses nobody. Stands behind `bounce` and
 * `verp`, and behind what tells who a complaint is from. Non-job: the forms of reports (report.ts, arf.ts), sending them.
 */
import { z } from "zod";
import {
  type Address,
  type AddressPattern,
  type DataContext,
  definePlugin,
  DomainSet,
  formatAddress,
  HeaderSection,
  isDomainPattern,
  mailboxesIn,
  type Message,
  parseAddressPattern,
  parseDuration,
  type PluginFactory,
  sameAddress,
} from "../../../core/pipeline/mod.ts";
import { TAGGED } from "../../access/bounce/key.ts";
import { DKIM } from "../../identity/dkim/key.ts";
import { DMARC } from "../../identity/dmarc/key.ts";
import { SPF } from "../../identity/spf/key.ts";
import { BOUNCED } from "../../outbound/verp/key.ts";
import { parseFeedback } from "./arf.ts";
import { type Entities, readEntities } from "./entities.ts";
import { plainAddress } from "./fields.ts";
import { FEEDBACK, type Told } from "./key.ts";
import { parseBounceText, parseDeliveryStatus, type ReportedStatus, severityOf } from "./report.ts";
import { Sent } from "./sent.ts";

export { FEEDBACK, type Feedback, type Told } from "./key.ts";

const DAY = 86_400_000;
const time = z.string().refine((text) => {
  const ms = parseDuration(text);
  return ms !== null && ms >= 1000 && ms <= 3650 * DAY;
}, "must be a duration from 1s to 3650d, such as 30d");
const timeOrOff = z.union([time, z.literal(false)], { error: "must be a duration such as 30d, or false" });

const Reporter = z.strictObject({
  from: z.string().refine((text) => text !== "*" && parseAddressPattern(text) !== null, {
    error: (issue) => `"${issue.input}" is no address and no pattern like *@arf.example`,
  }).describe("Who complains: an address of a From field, or a pattern"),
  domains: z.array(z.string().refine(isDomainPattern, { error: (issue) => `"${issue.input}" is no domain` })).default(
    [],
  )
    .describe("Domains of recipients that it speaks for, when it names them itself"),
});

const Options = z.strictObject({
  hard: timeOrOff.default("90d").describe("How long an address that is not there gets nothing, or false"),
  soft: z.strictObject({
    count: z.int().min(2).max(1000).default(5).describe("Bounces of an address that may come back"),
    within: time.default("14d").describe("The time in which they are counted"),
    seconds: timeOrOff.default("14d").describe("How long it gets nothing then, or false"),
  }).prefault({}).describe("Full mailboxes, hosts that cannot be reached"),
  complaint: timeOrOff.default("3650d").describe("How long who complained gets nothing, or false"),
  reporters: z.array(Reporter).default([]).describe(
    "Whose complaints count, when SPF, DKIM or DMARC shows that it is they",
  ),
  remember: time.default("10d").describe("How long it is remembered to whom mail went"),
  deliver: z.union([z.literal(true), z.literal("discard")], { error: "must be true or discard" }).default(true)
    .describe("What becomes of a report that something was done about"),
});

interface Reporting {
  readonly is: AddressPattern;
  readonly domains: DomainSet;
}

/** Complaints of the recipient's own; the others are news of a crime, or none. */
const UNWANTED: ReadonlySet<string> = new Set(["abuse", "opt-out", "opt-out-list"]);
const ALARMING: ReadonlySet<string> = new Set(["fraud", "virus"]);
const TOLD = 3600; // seconds from one alert about a kind of complaint to the next

/**
 * @example
 * ```ts
 * import { feedback } from "./mod.ts";
 * const plugin = feedback({
 *   hard: "180d",
 *   reporters: [{ from: "feedback@arf.example", domains: ["mail.example"] }],
 *   deliver: "discard",
 * });
 * ```
 */
export const feedback: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "feedback",
  options: Options,
  after: ["bounce", "srs", "verp", "spf", "dkim", "dmarc"],
  create({ hard, soft, complaint, deliver, ...options }) {
    const sent = new Sent(secondsOf(options.remember)!);
    const reporters = options.reporters.map(({ from, domains }): Reporting => ({
      is: parseAddressPattern(from)!,
      domains: new DomainSet(domains),
    }));
    const softFor = secondsOf(soft.seconds), within = { seconds: secondsOf(soft.within)! };

    /** Onto the list, unless that is off, or the address is of a domain of ours, where nobody is asked for a bounce. */
    function suppress(ctx: DataContext, recipient: Address, reason: string, seconds: number | null): Told["done"] {
      if (seconds === null || DomainSet.of(ctx.host.domains).has(recipient.domain)) return "nothing";
      ctx.suppress(recipient, { reason, seconds });
      return "suppressed";
    }

    // ---- Bounces ---------------------------------------------------------------------------------------------------

    /** Of whom the report tells: the one that the return path or the mail itself was made for. Null: nobody knows. */
    async function provenIn(ctx: DataContext, failed: readonly ReportedStatus[], entities: Entities) {
      const [recipient] = ctx.recipients.filter(({ copy }) => !copy);
      const tagged = recipient?.get(TAGGED), bounced = recipient?.get(BOUNCED);
      if (tagged === undefined || tagged.expired) return null;
      if (bounced !== undefined && isMadeOf(tagged.address, bounced.sender)) {
        // The tag is over all of the path; who forwards the mail reports about another address than we wrote to
        const named = failed.find((each) => isAbout(each, bounced.recipient)) ??
          (failed.length === 1 ? failed[0] : null);
        return named ? { recipient: bounced.recipient, status: named } : null;
      }
      const id = fieldIn(entities.returned, "Message-ID"),
        sole = id && await sent.soleRecipient(ctx.store, id, tagged.address);
      const named = sole && failed.find((each) => isAbout(each, sole));
      return sole && named ? { recipient: sole, status: named } : null;
    }

    async function bounce(ctx: DataContext, entities: Entities): Promise<readonly Told[] | null> {
      const all = entities.status !== null
        ? parseDeliveryStatus(entities.status)
        : entities.text !== null && !entities.report
        ? parseBounceText(entities.text)
        : [];
      if (all.length === 0) return null;
      const failed = all.filter(({ action }) => action === "failed");
      const proven = await provenIn(ctx, failed, entities);
      const told: Told[] = [];
      for (const each of all) {
        const recipient = proven?.status === each ? proven.recipient : null;
        told.push({
          recipient,
          what: each.status,
          done: recipient ? await consequence(ctx, recipient, each) : "nothing",
        });
      }
      return told;
    }

    async function consequence(ctx: DataContext, recipient: Address, each: ReportedStatus): Promise<Told["done"]> {
      const severity = severityOf(each), reason = `bounced: ${each.status} (report ${ctx.id})`;
      if (severity === "hard") return suppress(ctx, recipient, reason, secondsOf(hard));
      if (severity === null || softFor === null) return "nothing";
      const name = `soft ${formatAddress({ ...recipient, local: recipient.local.toLowerCase() })}`;
      const count = await ctx.store.add(name, 1, within);
      if (count < soft.count) return "counted";
      return suppress(ctx, recipient, `${count} times in ${soft.within}, ${reason}`, softFor);
    }

    // ---- Complaints ------------------------------------------------------------------------------------------------

    /** The reporter of the list that it is shown to be from; null: it may be from anybody. */
    function reporterOf(ctx: DataContext): Reporting | null {
      const from = authorOf(ctx.message), reporter = from && reporters.find(({ is }) => is(from));
      return reporter && isAuthentic(ctx, from) ? reporter : null;
    }

    async function complain(
      ctx: DataContext,
      { feedback, returned }: Entities,
      reporter: Reporting,
    ): Promise<readonly Told[] | null> {
      const said = feedback && parseFeedback(feedback);
      if (!said) return null;
      const nothing: readonly Told[] = [{ recipient: null, what: said.type, done: "nothing" }];
      const id = fieldIn(returned, "Message-ID"), path = said.mailFrom ?? returnPathIn(returned);
      const named = path && await sent.recipientOf(ctx.store, path) || id && await sent.soleRecipient(ctx.store, id);
      // A provider speaks for its own people, about mail that we did send
      const own = said.recipients.filter(({ domain }) => reporter.domains.has(domain));
      const proven = named ? [named] : id && await sent.isOurs(ctx.store, id) ? own : [];
      if (ALARMING.has(said.type)) {
        if (proven.length === 0 || await ctx.store.add(`told ${said.type}`, 1, { seconds: TOLD }) > 1) return nothing;
        const subject = path ? formatAddress(path) : said.source ?? ctx.id;
        ctx.alert(subject, `a complaint says that mail from here is ${said.type}: report ${ctx.id}`);
        return proven.map((recipient) => ({ recipient, what: said.type, done: "told" }));
      }
      if (proven.length === 0 || !UNWANTED.has(said.type)) return nothing;
      return proven.map((recipient) => ({
        recipient,
        what: said.type,
        done: suppress(ctx, recipient, `complained: ${said.type} (report ${ctx.id})`, secondsOf(complaint)),
      }));
    }

    return {
      async data(ctx, next) {
        if (ctx.role !== "mx" || ctx.client.identity !== null) return next();
        const isReport = /^multipart\/report\b/i.test(ctx.message.header("Content-Type") ?? "");
        const reporter = isReport && reporters.length > 0 ? reporterOf(ctx) : null;
        const mayBounce = ctx.sender === null && ctx.recipients.some((each) => each.get(TAGGED) !== undefined);
        if (!mayBounce && reporter === null) return next(); // it can prove nothing: nobody need read it
        const entities = await readEntities(ctx.message.stream());
        const complaints = reporter === null ? null : await complain(ctx, entities, reporter);
        const told = complaints ?? (mayBounce ? await bounce(ctx, entities) : null);
        if (told !== null) {
          ctx.set(FEEDBACK, { kind: complaints === null ? "dsn" : "arf", told });
          ctx.note(
            complaints === null ? "A report that mail of ours was not delivered" : "A complaint about mail of ours",
          );
        }
        return next();
      },
      ...(deliver === true ? {} : {
        queue(ctx, next) {
          const told = ctx.get(FEEDBACK)?.told ?? [];
          if (
            ctx.tries === 0 && told.length > 0 && told.every(({ done }) => done === "suppressed" || done === "counted")
          ) {
            for (const recipient of ctx.recipients) {
              if (recipient.result === null) ctx.settle(recipient, "discarded");
            }
          }
          return next();
        },
      }),
      async deliver(ctx, next) {
        if (ctx.tries === 0 && ctx.sender !== null) {
          const outgoing = ctx.recipients.filter(({ result }) => result === null)
            .map((recipient) => ({ recipient: recipient.address, path: ctx.returnPathOf(recipient) }));
          await sent.remember(ctx.store, ctx.message.header("Message-ID") ?? null, outgoing);
        }
        return next();
      },
    };
  },
});

function secondsOf(text: string | false): number | null {
  return text === false ? null : Math.ceil(parseDuration(text)! / 1000);
}

function isAbout({ final, original }: ReportedStatus, address: Address): boolean {
  return final !== null && sameAddress(final, address) || original !== null && sameAddress(original, address);
}

/** A path of `verp` for mail of that sender: the tag is over all of it. */
function isMadeOf(path: Address, sender: Address): boolean {
  return path.domain === sender.domain && path.local.toLowerCase().startsWith(`${sender.local.toLowerCase()}+`);
}

/** Of the mail that a report is about. */
function returnPathIn(returned: Uint8Array | null): Address | null {
  return plainAddress(fieldIn(returned, "Return-Path") ?? "");
}
function fieldIn(octets: Uint8Array | null, name: string): string | null {
  if (octets === null) return null;
  const section = new HeaderSection(octets), found = section.named(name);
  return found.length === 1 ? section.value(found[0]!) || null : null;
}

/** The one address in the one From field; null where a reader may see another. */
function authorOf({ headers }: Message): Address | null {
  const found = headers.filter(({ name }) => name.length === 4 && name.toLowerCase() === "from");
  const addresses = found.length === 1 ? mailboxesIn(found[0]!.value) : null;
  return addresses?.length === 1 ? addresses[0]! : null;
}

/** Somebody who may has said that it is from there: the author's domain, or for a signature one above it. */
function isAuthentic(ctx: DataContext, { domain }: Address): boolean {
  const dmarc = ctx.get(DMARC), spf = ctx.get(SPF);
  if (dmarc?.result === "pass" && dmarc.domain === domain) return true;
  if (spf?.result === "pass" && spf.identity === "mailfrom" && spf.domain.toLowerCase() === domain) return true;
  return (ctx.get(DKIM)?.signatures ?? []).some(({ result, domain: signer }) =>
    result === "pass" && signer?.includes(".") && (signer === domain || domain.endsWith(`.${signer}`))
  );
}
