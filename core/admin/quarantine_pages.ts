/**
 * The routes of the quarantine pages: what is held is the queue's, so is what is done with it. Judging a message teaches
 * what learns (`AdminOptions.teach`) and then does what follows. Non-job: how it looks (ui/quarantine.ts).
 */
import type { Hono } from "hono";
import { FINAL_STATES, type QueueItem } from "../store/store.ts";
import { optional } from "./messages/messages.ts";
import type { AdminEnv } from "./options.ts";
import type { PagesContext } from "./pages_context.ts";
import { domainOf } from "./parameters.ts";
import { Problem } from "./problem.ts";
import { queueItem } from "./queue/queue.ts";
import { teachStored } from "./training.ts";
import { quarantinedPage, quarantinePage, type QuarantineTerms } from "./ui/quarantine.ts";

const ITEMS = 100; // in a table
const TERMS = { keep: null, size: Infinity };

export function quarantinePages(app: Hono<AdminEnv>, options: PagesContext): void {
  const { admin, steering, reader, context, form, answer } = options, { store } = admin;
  const teach = () => admin.teach ?? null; // a reload makes another, and other terms
  const terms = (): QuarantineTerms => ({ ...admin.quarantine ?? TERMS, learns: teach() !== null });

  app.get("/quarantine", async (c) => {
    const domain = domainOf(c.req.query("domain")?.trim());
    const [page, { octets }] = await Promise.all([
      store.queue({ state: "held", ...optional("domain", domain), limit: ITEMS }),
      store.quarantine.total(),
    ]);
    return answer(c, quarantinePage(await context(), { domain, page, octets, terms: terms() }));
  });

  app.get("/quarantine/:id", async (c) => {
    const item = await queueItem(store, c.req.param("id"));
    return answer(
      c,
      quarantinedPage(await context(), { item, content: await reader.look(item.message), terms: terms() }),
    );
  });

  for (const verb of ["release", "delete", "ham", "spam"] as const) {
    app.post(`/quarantine/:id/${verb}`, async (c) => {
      await form(c);
      const item = await queueItem(store, c.req.param("id")), { id } = item.message;
      const removes = verb === "delete" || verb === "spam";
      if (removes) mustBeHeldWhole(item);
      if (verb === "ham" || verb === "spam") {
        await teachStored(store, { teach: teach(), id, as: verb });
        if (removes) mustBeHeldWhole(await queueItem(store, id)); // to learn takes time, and somebody may have released it
      }
      await steering.change({ id }, { do: removes ? "delete" : "release" });
      return c.redirect("/quarantine", 303);
    });
  }

  /** Nothing of it is on its way. @throws {Problem} 409 */
  function mustBeHeldWhole({ recipients }: QueueItem): void {
    if (recipients.every(({ state }) => state === "held" || FINAL_STATES.includes(state))) return;
    throw new Problem(409, "Not all of it is held: look at it in the queue.");
  }
}
