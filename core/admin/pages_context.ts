/** What the routes of each kind of page are given (NAME_pages.ts): types only. */
import type { Context } from "hono";
import type { MailReader } from "./messages/reader.ts";
import type { AdminEnv, AdminOptions, Steering } from "./options.ts";
import type { Html } from "./ui/html.ts";
import type { InboxData } from "./ui/inbox/inbox.ts";
import type { PageContext } from "./ui/layout.ts";

export interface PagesContext {
  readonly admin: AdminOptions;
  readonly steering: Steering;
  readonly reader: MailReader;
  /** `boxes`: those of the store, where they are known already. */
  context(boxes?: InboxData["boxes"]): Promise<PageContext>;
  /** The fields of a form of ours. @throws {Problem} 403 */
  form(c: Context<AdminEnv>): Promise<URLSearchParams>;
  answer(c: Context<AdminEnv>, page: Html): Response;
}
