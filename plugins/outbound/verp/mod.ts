/**
 * Variable envelope return paths for the senders of lists: each recipient gets the mail with a return path that names it,
 * so that even a bounce that nobody can read says whom it is about. What comes back goes to the sender itself.
 * Non-job: the form of the paths (path.ts), taking addresses off a list.
 */
import { z } from "zod";
import {
  accept,
  type Address,
  definePlugin,
  formatAddress,
  parseAddressPattern,
  type PluginFactory,
} from "../../../core/pipeline/mod.ts";
import { isTagged } from "../../access/bounce/key.ts";
import { BOUNCED, type Bounced } from "./key.ts";
import { verpPath, verpRecipient } from "./path.ts";

export { BOUNCED, type Bounced } from "./key.ts";

const pattern = z.string().refine((text) => text !== "*" && parseAddressPattern(text) !== null, {
  error: (issue) => `"${issue.input}" is no address and no pattern like *-bounces@example.org`,
});
const Options = z.strictObject({
  senders: z.array(pattern).min(1).describe("Senders of ours that get a return path for each recipient"),
});

/**
 * @example
 * ```ts
 * import { verp } from "./mod.ts";
 * const plugin = verp({ senders: ["news-bounces@example.org", "*-bounces@lists.example.org"] });
 * ```
 */
export const verp: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "verp",
  options: Options,
  create({ senders }) {
    const patterns = senders.map((text) => parseAddressPattern(text)!);
    const isListed = (address: Address): boolean => patterns.some((means) => means(address));

    /** A sender may have a `+` of its own: the first reading that fits is it. */
    function read(path: Address): Bounced | null {
      if (isTagged(path)) return null; // `bounce` takes its tag off first
      for (let plus = path.local.indexOf("+"); plus > 0; plus = path.local.indexOf("+", plus + 1)) {
        const sender = { local: path.local.slice(0, plus), domain: path.domain };
        const recipient = isListed(sender) ? verpRecipient(sender, path) : null;
        if (recipient !== null) return { sender, recipient };
      }
      return null;
    }

    return {
      rcpt(ctx, next) {
        const found = read(ctx.recipient.address);
        if (found !== null) {
          ctx.expand([found.sender]);
          return accept("OK", { reason: `What comes back of mail to ${formatAddress(found.recipient)}` }); // the sender's own address is asked everything
        }
        for (let { origin } = ctx.recipient; origin !== null; origin = origin.origin) {
          const above = read(origin.address);
          if (above !== null) ctx.set(BOUNCED, above);
        }
        return next();
      },
      deliver(ctx, next) {
        const { sender } = ctx;
        if (sender === null || !isListed(sender)) return next();
        ctx.note("Each recipient gets it with a return path that names it");
        for (const recipient of ctx.recipients) {
          const path = verpPath(sender, recipient.address);
          if (path !== null) ctx.reversePath(path, recipient); // one that is too long says nothing: the sender then
        }
        return next();
      },
    };
  },
});
