/**
 * Stores messages in Maildirs, a folder for each address, readable by Dovecot, mutt and the like. A recipient counts as
 * stored once its file and the file's folder are synced (SEMANTICS 2). Files have LF line ends.
 * Non-job: who has a mailbox (recipients), quota beyond what the file system says.
 */
import { resolve } from "node:path";
import { z } from "zod";
import {
  type Address,
  definePlugin,
  formatAddress,
  type Message,
  type PluginFactory,
  type QueueContext,
  type Recipient,
  reject,
  routedTo,
} from "../../../core/pipeline/mod.ts";
import { parsed } from "../parsed.ts";
import { isStored, storeCopy } from "./copy.ts";
import { refusalFor } from "./fault.ts";
import { copyPrefix } from "./file_name.ts";
import { Folders } from "./folder.ts";
import { parseLayout } from "./layout.ts";
import { Slots } from "./slots.ts";

const permissions = z.string().regex(/^0?[0-7]{3}$/, 'Write permissions in octal and in quotes, like "0600"')
  .transform((text) => parseInt(text, 8));

const MaildirOptions = z.strictObject({
  root: z.string().min(1).describe("Folder of all mailboxes; made when missing. A relative path starts at the file."),
  layout: z.string().transform(parsed(parseLayout)).prefault("{domain}/{local}/Maildir")
    .describe("Where an address lies below the root. {local} and {domain} are filled in, escaped."),
  folderMode: permissions.prefault("0700").describe("Permissions of new folders, octal, in quotes."),
  fileMode: permissions.prefault("0600").describe("Permissions of new files, octal, in quotes."),
  concurrency: z.int().min(1).max(1000).default(16).describe("How many copies are written at a time, per thread."),
});

/**
 * Delivery into Maildirs.
 *
 * @example
 * ```ts
 * import { maildir } from "./mod.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(maildir({ root: "/srv/mail" }).name, "maildir");
 * ```
 */
export const maildir: PluginFactory<z.input<typeof MaildirOptions>> = definePlugin({
  name: "maildir",
  options: MaildirOptions,
  create(options, { base, name }) {
    const folders = new Folders(resolve(base, options.root), options.folderMode);
    const slots = new Slots(options.concurrency);

    async function store(ctx: QueueContext, address: Address): Promise<void> {
      const path = options.layout(address), prefix = copyPrefix(ctx.id, address), deliveredTo = formatAddress(address);
      for (let again = true;; again = false) {
        const folder = await folders.mailbox(path);
        try {
          if (ctx.tries > 0 && await isStored(folder, prefix)) return;
          const copy = { folder, prefix, host: ctx.host.name, deliveredTo, mode: options.fileMode };
          return await storeCopy(copy, () => ctx.output(), ctx.signal);
        } catch (error) { // somebody removed the mailbox since we made it
          folders.forget(folder);
          if (!again || !(error instanceof Deno.errors.NotFound)) throw error;
        }
      }
    }

    /** `recipients` share an address: they may differ in their ORCPT, and one copy is for them all. */
    async function deliver(ctx: QueueContext, recipients: readonly Recipient[]): Promise<void> {
      try {
        await slots.run(() => store(ctx, recipients[0]!.address));
      } catch (error) {
        if (ctx.signal.aborted) throw error; // out of time: nothing more can be said
        const refusal = refusalFor(error);
        for (const recipient of recipients) ctx.refuse(recipient, refusal);
        return;
      }
      for (const recipient of recipients) ctx.settle(recipient, "stored");
      ctx.note(`Stored for ${formatAddress(recipients[0]!.address)}`);
    }

    return {
      async queue(ctx, next) {
        const mine = new Map<string, Recipient[]>();
        for (const recipient of routedTo(name, ctx.recipients)) {
          const address = formatAddress(recipient.address).toLowerCase();
          const others = mine.get(address);
          if (others) others.push(recipient);
          else mine.set(address, [recipient]);
        }
        if (mine.size === 0) return next();
        const visited = mailboxesVisited(ctx.message);
        await Promise.all([...mine].map(([address, recipients]) => {
          if (!visited.has(address)) return deliver(ctx, recipients);
          const reason = `maildir: the message has "Delivered-To: ${address}" already`;
          const refusal = reject("5.4.6", "Mail is looping: it was delivered here before", { reason });
          for (const recipient of recipients) ctx.refuse(recipient, refusal);
        }));
        return next();
      },
    };
  },
});

/** Where the message has been delivered already: a second visit is a loop (RFC 5321 6.3). */
function mailboxesVisited(message: Message): Set<string> {
  const visited = new Set<string>();
  for (const { name, value } of message.headers) {
    if (name.length === 12 && name.toLowerCase() === "delivered-to") visited.add(value.toLowerCase());
  }
  return visited;
}
