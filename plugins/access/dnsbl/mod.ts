/**
 * Lists of bad and of good clients in DNS, all asked together: at connect about the address, at helo and mail about names.
 * From a weight on the client is refused, which waits for RCPT as all refusals do; below it `data` gives points.
 * Non-job: one list and its health (list.ts), addresses and names in the content.
 */
import type { z } from "zod";
import {
  canonicalDomain,
  canonicalIp,
  type Context,
  defer,
  definePlugin,
  isIPv4,
  type Key,
  key,
  Networks,
  type PluginFactory,
  reject,
  type Reply,
} from "../../../core/pipeline/mod.ts";
import { PRIVATE } from "../schema.ts";
import { unchecked } from "../unchecked.ts";
import { DNSWL, LISTED, LISTED_HELO, LISTED_SENDER, type ListedBy } from "./key.ts";
import { type Asking, List } from "./list.ts";
import { namesOf, Options, settingsOf } from "./options.ts";

export { DNSWL, LISTED, LISTED_HELO, LISTED_SENDER, type ListedBy } from "./key.ts";

/** Lists of good clients that did not say whether this is one. */
const UNHEARD: Key<readonly string[], "connection"> = key("dnsbl.unheard", "connection");

type Asked = Pick<Context, "dns" | "signal" | "now">;
/** What the lists say together. */
interface Findings {
  readonly listed: readonly ListedBy[];
  /** Lists that do not say. */
  readonly silent: readonly string[];
}

/**
 * @example
 * ```ts
 * import { dnsbl } from "./mod.ts";
 * const plugin = dnsbl({
 *   zones: { "bl.example.net": 5, "grey.example.net": { weight: 2, codes: ["127.0.0.4-11"] } },
 *   allow: { "good.example.net": 4 },
 * });
 * ```
 */
export const dnsbl: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "dnsbl",
  options: Options,
  roles: ["mx"],
  create(options, { trouble }) {
    const exempt = new Networks([...PRIVATE, ...options.networks]);
    const make = (entries: typeof options.zones) =>
      Object.entries(entries).map(([zone, entry]) => new List(settingsOf(zone, entry, options.pause)));
    const bad = make(options.zones), good = make(options.allow);
    const ofNames = Object.entries(options.domains).map(([zone, entry]) => ({
      list: new List({ ...settingsOf(zone, entry, options.pause), of: "names" }),
      names: namesOf(entry),
    }));
    const about = (what: "helo" | "sender") => ofNames.filter(({ names }) => names.includes(what)).map((e) => e.list);
    const heloLists = about("helo"), senderLists = about("sender");
    /** Who said it. */
    const listOf = ({ zone, subject }: ListedBy) =>
      (canonicalIp(subject) === null ? ofNames.map(({ list }) => list) : bad).find((e) => e.settings.zone === zone)!;

    /** What a list of good clients may say at most. */
    const praiseOf = (zone: string) => good.find(({ settings }) => settings.zone === zone)?.most ?? 0;

    /** Runs questions under one clock. */
    async function timed<T>(ctx: Asked, run: (asking: Asking) => Promise<T>): Promise<T> {
      const { dns, signal } = ctx, time = new AbortController(), end = () => time.abort();
      const timer = setTimeout(end, options.timeout);
      signal.addEventListener("abort", end, { once: true });
      try {
        return await run({ dns, signal: time.signal, gone: () => signal.aborted, now: ctx.now(), trouble });
      } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
      }
    }

    async function ask(which: readonly List[], subject: string, asking: Asking): Promise<Findings> {
      const listed: ListedBy[] = [], silent: string[] = [];
      await Promise.all(which.map(async (list) => {
        const name = list.nameOf(subject);
        if (name === null) return;
        const { zone } = list.settings, verdict = await list.ask(name, asking);
        if (verdict === "unknown") silent.push(zone);
        else if (verdict !== "not listed") listed.push({ zone, subject, ...verdict });
      }));
      return { listed: listed.sort((a, b) => b.weight - a.weight), silent: silent.sort() };
    }

    /** The refusal that these listings make together with what was found before, or null. */
    async function judge(
      ctx: Asked & Pick<Context, "get">,
      bad: readonly ListedBy[],
      silent: readonly string[],
    ): Promise<Reply<"defer" | "reject"> | null> {
      const good = ctx.get(DNSWL) ?? [], total = weightOf(bad) - weightOf(good), [first] = bad;
      const reason = `${inWords(bad, good)}; together ${total}, and refusal starts at ${options.reject}`;
      if (first !== undefined && total >= options.reject) {
        const { zone, subject } = first, list = listOf(first);
        // Who may be on a list of good clients that does not answer now is not sent away for good
        const unheard = ctx.get(UNHEARD) ?? [];
        if (total - unheard.reduce((sum, zone) => sum + praiseOf(zone), 0) < options.reject) {
          return defer("4.7.1", `${subject} is listed by ${zone}, and a list that may speak for it does not answer`, {
            reason: `${reason}; no answer from ${unheard.join(", ")}`,
          });
        }
        const words = options.words ? await timed(ctx, (asking) => list.words(list.nameOf(subject)!, asking)) : null;
        return reject("5.7.1", `${subject} is listed by ${zone}${words === null ? "" : `, which says: ${words}`}`, {
          reason,
        });
      }
      if (silent.length > 0 && options.failure === "defer") {
        return defer("4.4.3", "A list of clients cannot be asked at this moment, try again later", {
          reason: `no answer from ${silent.join(", ")}`,
        });
      }
      return null;
    }

    return {
      connect(ctx, next) {
        const { ip } = ctx.client;
        if (bad.length + good.length === 0) return next(); // and no promise
        if (exempt.has(ip)) {
          ctx.note(unchecked(ctx.client));
          return next();
        }
        return timed(ctx, (asking) => Promise.all([ask(bad, ip, asking), ask(good, ip, asking)]))
          .then(async ([{ listed, silent }, allowed]) => {
            ctx.set(LISTED, listed);
            ctx.set(DNSWL, allowed.listed);
            ctx.set(UNHEARD, allowed.silent);
            noteAll(ctx, listed, allowed.listed, [...silent, ...allowed.silent]);
            return await judge(ctx, listed, silent) ?? next();
          });
      },
      helo(ctx, next) {
        const { ip, identity } = ctx.client, name = nameIn(ctx.helo);
        if (heloLists.length === 0 || name === null || identity !== null || exempt.has(ip)) return next();
        return timed(ctx, (asking) => ask(heloLists, name, asking)).then(async ({ listed, silent }) => {
          ctx.set(LISTED_HELO, listed);
          noteAll(ctx, listed, [], silent);
          if (listed.length + silent.length === 0) return next();
          return await judge(ctx, [...listed, ...ctx.get(LISTED) ?? []], silent) ?? next();
        });
      },
      mail(ctx, next) {
        const { client: { ip, identity }, sender } = ctx, name = nameIn(sender?.domain ?? "");
        if (senderLists.length === 0 || name === null || identity !== null || exempt.has(ip)) return next();
        return timed(ctx, (asking) => ask(senderLists, name, asking)).then(async ({ listed, silent }) => {
          ctx.set(LISTED_SENDER, listed);
          noteAll(ctx, listed, [], silent);
          if (listed.length + silent.length === 0) return next();
          const before = [...ctx.get(LISTED_HELO) ?? [], ...ctx.get(LISTED) ?? []];
          return await judge(ctx, [...listed, ...before], silent) ?? next();
        });
      },
      data(ctx, next) {
        if (ctx.client.identity !== null) return next();
        for (const { zone, codes } of ctx.get(DNSWL) ?? []) { // RFC 8904 2
          ctx.attest({
            method: "dnswl",
            result: "pass",
            properties: [["dns.zone", zone], ["policy.ip", codes.join(",")]],
          });
        }
        if (!options.score) return next();
        for (const key of [LISTED, LISTED_HELO, LISTED_SENDER]) {
          for (const each of ctx.get(key) ?? []) ctx.score(each.weight, `listed: ${told(each)}`);
        }
        for (const each of ctx.get(DNSWL) ?? []) ctx.score(-each.weight, `on a list of good clients: ${told(each)}`);
        return next();
      },
    };
  },
});

const weightOf = (listed: readonly ListedBy[]): number => listed.reduce((sum, { weight }) => sum + weight, 0);
const told = ({ zone, subject, codes }: ListedBy): string => `${zone}:${subject}(${codes.join(",")})`;

/** `192.0.2.66 is listed by two.example (127.0.0.4, weight 3), one.example (127.0.0.2, weight 2)`. */
function inWords(bad: readonly ListedBy[], good: readonly ListedBy[]): string {
  const by = (all: readonly ListedBy[]) =>
    all.map(({ zone, codes, weight }) => `${zone} (${codes.join(" ")}, weight ${weight})`).join(", ");
  const subjects = [...new Set(bad.map(({ subject }) => subject))].join(" and ");
  const sentences = [];
  if (bad.length > 0) sentences.push(`${subjects} is listed by ${by(bad)}`);
  if (good.length > 0) sentences.push(`${good[0]!.subject} is on a list of good clients: ${by(good)}`);
  return sentences.join("; ");
}

function noteAll(
  ctx: Pick<Context, "note">,
  bad: readonly ListedBy[],
  good: readonly ListedBy[],
  silent: readonly string[],
): void {
  if (bad.length + good.length > 0) ctx.note(inWords(bad, good));
  else if (silent.length === 0) ctx.note("On none of the lists");
  if (silent.length > 0) ctx.note(`No answer from ${silent.join(", ")}`);
}

/** The domain to ask about: no literal, no bare address, no single label, which nobody has registered. */
function nameIn(text: string): string | null {
  const name = canonicalDomain(text);
  return name === null || !name.includes(".") || isIPv4(name) ? null : name;
}
