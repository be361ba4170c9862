/**
 * Bounces of mail that never left here (backscatter): what goes out is sent from a signed return path (BATV), so that a
 * bounce that comes to an address without one is about mail that somebody else sent in our name (HARD_CASES 25).
 * It stands behind `srs` and `verp`, signs what they made, and takes the tag off again before anybody looks for the name.
 * Non-job: the form of a tag (tag.ts), what a bounce says (feedback).
 */
import { z } from "zod";
import {
  accept,
  type Address,
  type AddressPattern,
  defer,
  definePlugin,
  type DeliverContext,
  DomainSet,
  formatAddress,
  type Host,
  isDomainPattern,
  isLoopback,
  Networks,
  parseAddressPattern,
  type PluginFactory,
  type RcptContext,
  type Recipient,
  reject,
  type Reply,
} from "../../../core/pipeline/mod.ts";
import { network, points } from "../schema.ts";
import { isTagged, TAGGED } from "./key.ts";
import { isReceipt, isReportLike } from "./report_like.ts";
import { hasRoom, Tags } from "./tag.ts";

export { isTagged, TAGGED, type Tagged } from "./key.ts";

const pattern = z.string().refine((text) => parseAddressPattern(text) !== null, {
  error: (issue) => `"${issue.input}" is no address and no pattern like *@example.org`,
});
const action = z.enum(["reject", "score", "mark"], { error: "must be reject, score or mark" });

const Options = z.strictObject({
  secrets: z.array(z.string().min(16, "must have 16 characters or more")).min(1).max(10)
    .describe("The first one signs; tags signed with any of them count"),
  key: z.int().min(0).max(9).default(0).describe("The number that tags show; another one with each new secret"),
  days: z.int().min(1).max(100).default(7).describe("How many days a tag counts"),
  domains: z.array(z.string().refine(isDomainPattern, { error: (issue) => `"${issue.input}" is no domain` })).min(1)
    .optional().describe("Domains whose senders are signed; unset: the local ones"),
  except: z.array(pattern).default([]).describe("Addresses that send by other servers too: not signed, not checked"),
  silent: z.array(pattern).default([]).describe("Addresses that never send: what comes to them is no bounce"),
  untagged: action.default("reject").describe("A bounce to an address that signs, without a tag that counts"),
  content: z.enum(["reject", "score", "mark", "pass"]).default("pass").describe(
    "Mail from <> that is no report and no automatic reply",
  ),
  several: z.enum(["reject", "defer", "pass"]).default("reject").describe("The second recipient of mail from <>"),
  points: points.default(4).describe("Points for score"),
  early: z.boolean().default(false).describe("Refuse at RCPT, not behind the message: hosts that ask back hear it too"),
  networks: z.array(network).default([]).describe("Clients whose bounces are not checked: relays of your own"),
});

/** What is wrong with a bounce. */
type Fault = "untagged" | "expired" | "silent" | "content";
const WORDS: Readonly<Record<Fault, Reply<"reject">>> = {
  untagged: reject("5.7.1", "This is no bounce of mail from here: its return path has no signature", {
    reason: "backscatter: untagged",
  }),
  expired: reject("5.7.1", "This bounce comes too late: the signature of its return path has expired", {
    reason: "backscatter: expired tag",
  }),
  silent: reject("5.7.1", "Nothing is ever sent from this address, so nothing can come back to it", {
    reason: "backscatter: silent address",
  }),
  content: reject("5.7.1", "Mail from <> has to be a report or an automatic reply", {
    reason: "mail from <> that is no report",
  }),
};
const FORGED = reject("5.7.1", "This return path was not written here", { reason: "backscatter: forged tag" });
const SEVERAL = "A bounce has one recipient";
/** Paths of `srs`, which checks them itself. */
const SRS = /^SRS[01][-+=]/i;

/**
 * @example
 * ```ts
 * import { bounce } from "./mod.ts";
 * const plugin = bounce({ secrets: ["a secret of some length"], untagged: "score", silent: ["info@example.org"] });
 * ```
 */
export const bounce: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "bounce",
  options: Options,
  after: ["address_map", "srs", "verp"],
  create({ untagged, content, several, points, early, ...options }) {
    const tags = new Tags(options);
    const domains = options.domains === undefined ? null : new DomainSet(options.domains);
    const except = anyOf(options.except), silent = anyOf(options.silent);
    const own = new Networks(options.networks);
    const isTrusted = (ip: string): boolean => ip === "" || isLoopback(ip) || own.has(ip);
    const isSigned = (address: Address, host: Host): boolean =>
      address.domain !== "" && (domains ?? DomainSet.of(host.domains)).has(address.domain);

    /** What is sent from it is signed. */
    function signs(address: Address, host: Host): boolean {
      return isSigned(address, host) && !SRS.test(address.local) && hasRoom(address) &&
        !silent(address) && !except(address);
    }
    /** Whether mail from `<>` is looked at: not what this server asks itself about, and none of a friend's. */
    function isChecked({ role, sender, client }: Pick<RcptContext, "role" | "sender" | "client">): boolean {
      return role === "mx" && sender === null && client.identity === null && !isTrusted(client.ip);
    }
    /** What is wrong with a bounce to the address that the peer named. */
    function faultOf(recipient: Recipient, host: Host): Exclude<Fault, "content"> | null {
      const { original, copy } = recipient, tagged = recipient.get(TAGGED);
      if (copy || isPostmaster(original)) return null;
      if (tagged !== undefined) return tagged.expired ? "expired" : null;
      if (silent(original) && isSigned(original, host)) return "silent";
      return signs(original, host) ? "untagged" : null;
    }
    /** One recipient too many; null where it is not. */
    function oneTooMany({ recipient, count }: RcptContext): Reply<"defer" | "reject"> | null {
      const { origin, copy, address } = recipient;
      if (several === "pass" || count === 0 || origin !== null || copy || isPostmaster(address)) return null;
      return several === "reject"
        ? reject("5.5.3", SEVERAL, { reason: "several recipients of mail from <>" })
        : defer("4.5.3", `${SEVERAL}: send another one to this one`, { code: 452 });
    }

    return {
      async rcpt(ctx, next) {
        const { recipient, host } = ctx, { address, origin } = recipient, checked = isChecked(ctx);
        const tooMany = checked ? oneTooMany(ctx) : null;
        if (tooMany !== null) return tooMany;
        if (isTagged(address) && isSigned(address, host)) {
          const read = await tags.read(address, ctx.now());
          if (read === null) return FORGED;
          ctx.expand([read.address]);
          const reason = `The address carries a tag of ours${read.expired ? ", which has expired" : ""}`;
          return accept("OK", { reason }); // the address itself is asked everything
        }
        for (let above = origin; above !== null; above = above.origin) {
          if (!isTagged(above.address) || !isSigned(above.address, host)) continue;
          const read = await tags.read(above.address, ctx.now());
          if (read !== null) ctx.set(TAGGED, read);
        }
        const named = origin === null || recipient.get(TAGGED) !== undefined; // members of an alias: it was asked for them
        const fault = checked && early && untagged === "reject" && named ? faultOf(recipient, host) : null;
        return fault === null ? next() : WORDS[fault];
      },
      data(ctx, next) {
        if (!isChecked(ctx) || ctx.recipients.every(({ original }) => isPostmaster(original))) return next();
        const bad = ctx.recipients.flatMap((recipient) => {
          const fault = faultOf(recipient, ctx.host);
          return fault === null || fault === "untagged" && isReceipt(ctx.message) ? [] : [{ recipient, fault }];
        });
        const first = bad[0]?.fault;
        if (first !== undefined) {
          if (untagged !== "reject") ctx.score(untagged === "score" ? points : 0, `bounce: ${first}`);
          else if (bad.length === ctx.recipients.length) return WORDS[first];
          else for (const { recipient, fault } of bad) ctx.refuse(recipient, WORDS[fault]);
        }
        if (content !== "pass" && !isReportLike(ctx.message)) {
          if (content === "reject") return WORDS.content;
          ctx.score(content === "score" ? points : 0, "bounce: content");
        }
        return next();
      },
      async deliver(ctx, next) {
        const signed = new Map<string, Promise<Address>>();
        for (const recipient of ctx.recipients) {
          const path = ctx.returnPathOf(recipient);
          if (path === null || !signs(path, ctx.host) || !isOut(ctx, recipient)) continue;
          const written = formatAddress(path);
          if (!signed.has(written)) signed.set(written, tags.sign(path, ctx.now()));
          ctx.reversePath(await signed.get(written)!, recipient);
        }
        if (signed.size > 0) {
          ctx.note("Its return path is signed, so that a bounce can be told from one of mail that was never sent");
        }
        return next();
      },
    };

    /** It leaves, and it is ours to answer for: a stranger's mail that an alias sends on is not, whatever its sender says. */
    function isOut({ host, origin }: DeliverContext, { address, original, result }: Recipient): boolean {
      if (result !== null || isOurs(address, host)) return false;
      return !isOurs(original, host) || origin.identity !== null || isTrusted(origin.ip);
    }
  },
});

function anyOf(texts: readonly string[]): AddressPattern {
  const patterns = texts.map((text) => parseAddressPattern(text)!);
  return (address) => patterns.some((means) => means(address));
}

function isOurs({ domain }: Address, host: Host): boolean {
  return domain === "" || DomainSet.of(host.domains).has(domain);
}

function isPostmaster({ local }: Address): boolean {
  return local.toLowerCase() === "postmaster";
}
