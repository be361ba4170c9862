/**
 * The dev inbox: mail is kept where the admin page shows it, in the queue's database and its group commit (SEMANTICS 4).
 * Does no I/O of its own and answers without a promise. Non-job: making anything durable (the commit that ends the
 * phase), who may sign in.
 */
import { z } from "zod";
import { definePlugin, type Key, key, type PluginFactory, type Route, routedTo } from "../../../core/pipeline/mod.ts";
import { parsed } from "../parsed.ts";
import { parseInboxName } from "./name.ts";

const InboxOptions = z.strictObject({
  name: z.string().transform(parsed(parseInboxName)).prefault("default")
    .describe(
      "The inbox that mail goes to. {local}, {user}, {tag}, {domain} and {address} of the recipient are filled in.",
    ),
  identity: z.boolean().default(true)
    .describe("Mail of an authenticated client goes to the inbox named like its identity instead."),
  everything: z.boolean().default(false)
    .describe(
      "Take every recipient of every domain that no plugin before has routed. Nothing leaves the machine then.",
    ),
});

/** The identity of an authenticated client, for the time between RCPT and the commit. */
const OWNER: Key<string> = key("inbox.owner");

/**
 * Delivery into the dev inbox.
 *
 * @example
 * ```ts
 * import { inbox } from "./mod.ts";
 * import { assertEquals } from "@std/assert";
 * assertEquals(Object.keys(inbox({ everything: true }).handlers), ["rcpt", "queue"]);
 * ```
 */
export const inbox: PluginFactory<z.input<typeof InboxOptions>> = definePlugin({
  name: "inbox",
  options: InboxOptions,
  create({ name: inboxOf, identity, everything }, { name }) {
    const here: Route = { to: "local", plugin: name };
    return {
      rcpt(ctx, next) {
        if (identity && ctx.client.identity !== null) ctx.set(OWNER, ctx.client.identity);
        if (everything && ctx.recipient.route === null) ctx.route(here);
        return next();
      },
      queue(ctx, next) {
        const owner = ctx.get(OWNER);
        let told = "";
        for (const recipient of routedTo(name, ctx.recipients)) {
          const inbox = owner ?? inboxOf(recipient.address);
          ctx.deposit(recipient, inbox);
          if (inbox !== told) ctx.note(`Kept in the inbox ${told = inbox}`);
        }
        return next();
      },
    };
  },
});
