/**
 * A copy of each message for an archive: one recipient more, durable in the same commit as the message, told to nobody.
 * Copies make no copies, for they are no messages of their own. Non-job: what an archive does with them; the envelope (the
 * log has it, and the id in Received leads there).
 */
import { z } from "zod";
import {
  type DataContext,
  definePlugin,
  formatAddress,
  parseAddress,
  parseAddressPattern,
  type PluginFactory,
  type Recipient,
  sameAddress,
} from "../../../core/pipeline/mod.ts";
import { RELAY } from "../../access/relay/key.ts";

const address = z.string().refine((text) => (parseAddress(text)?.domain ?? "") !== "", {
  error: (issue) => `"${issue.input}" is no address`,
}).transform((text) => parseAddress(text)!);
const patterns = z.array(
  z.string().refine((text) => parseAddressPattern(text) !== null, {
    error: (issue) => `"${issue.input}" is no address and no pattern like *@example.org`,
  }),
).min(1).transform((texts) => texts.map((text) => parseAddressPattern(text)!));

const Options = z.strictObject({
  to: address.describe("Who gets the copies"),
  direction: z.enum(["out", "in", "both"]).default("out").describe(
    "Mail that users of this host send, other mail, or all",
  ),
  senders: patterns.optional().describe("Only mail from these envelope senders"),
  recipients: patterns.optional().describe("Only mail to one of these, as the client named them or as they are now"),
  returnPath: address.optional().describe(
    "Who hears from other hosts of copies that they do not take; postmaster unless said",
  ),
});

/**
 * @example
 * ```ts
 * import { archive } from "./mod.ts";
 * const plugin = archive({ to: "journal@archive.example", direction: "both" });
 * ```
 */
export const archive: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "archive",
  options: Options,
  create({ to, direction, senders, recipients, returnPath }) {
    function isWanted(ctx: DataContext): boolean {
      if (direction !== "both" && (direction === "out") !== isSent(ctx)) return false;
      const { sender } = ctx;
      if (senders && (sender === null || !senders.some((means) => means(sender)))) return false;
      return !recipients ||
        ctx.recipients.some(({ address, original }) => recipients.some((means) => means(address) || means(original)));
    }
    /** After the queue nothing else tells a copy from a recipient. */
    function isCopy({ original, parameters: { notify, orcpt } }: Recipient): boolean {
      return sameAddress(original, to) && notify?.[0] === "NEVER" && orcpt === null;
    }

    return {
      data(ctx, next) {
        if (isWanted(ctx)) {
          ctx.copyTo(to);
          ctx.note(`A copy goes to ${formatAddress(to)}`);
        }
        return next();
      },
      deliver(ctx, next) {
        if (ctx.sender === null) return next();
        // A host without DSN would send its bounce to somebody who knows nothing of an archive
        const path = returnPath ?? ctx.host.postmaster ?? to;
        for (const recipient of ctx.recipients) if (isCopy(recipient)) ctx.reversePath(path, recipient);
        return next();
      },
    };
  },
});

/** Somebody who has logged in brought it, or a network that may send anywhere. */
function isSent({ client, recipients }: DataContext): boolean {
  return client.identity !== null || recipients.some((each) => each.get(RELAY) === "network");
}
