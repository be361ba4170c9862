/**
 * Where mailboxes are kept: Maildirs, or a next hop such as Dovecot's LMTP. Non-job: who has one (mailboxes.ts).
 */
import type { Value } from "../draft.ts";
import type { Origin } from "../draft.ts";
import { type Domains, type Site, tablesOf } from "./site.ts";
import { wayOf } from "./transport.ts";

export async function storePlugins(site: Site, domains: Domains): Promise<void> {
  const { draft, settings } = site, { book } = draft;
  const from = settings.get("mydestination").from;
  if (book.empty && domains.local.size + domains.alias.size + domains.mailbox.size === 0) return;
  const recipients = draft.plugin("recipients", from).set("file", "./recipients.yaml", from);
  draft.files.push({ name: "recipients.yaml", text: book.toYaml() });
  const delimiter = settings.get("recipient_delimiter");
  recipients.set("plusAddressing", delimiter.value === "" ? false : delimiter.value, delimiter.from);
  if (domains.local.has(domains.origin) && !book.virtual.has(domains.origin)) {
    recipients.set("home", domains.origin, settings.get("myorigin").from);
  }
  const accounts = [...book.accounts.values()];
  if (accounts.some(({ store }) => store === null)) {
    const hop = await localHop(site);
    if (hop !== null) recipients.set("deliverTo", { to: "remote", via: hop.name }, hop.from);
    else draft.plugin("maildir", from).set("root", "./data/mail", from);
  }
  if (accounts.some(({ store }) => store !== null && "plugin" in store)) await virtualMailboxes(site);
}

/** The next hop that delivers to accounts of the system; null where Postfix does it itself. */
async function localHop(site: Site): Promise<{ name: string; from: Origin } | null> {
  const { draft, settings } = site;
  for (const name of ["mailbox_transport", "local_transport"]) {
    const setting = settings.get(name);
    if (setting.value === "") continue;
    const way = await wayOf(site, setting.value, setting.from);
    if (way.to === "hop") return { name: way.name, from: setting.from };
    if (way.to === "none") {
      draft.leave(setting.from, `${name} = ${setting.value}`, `${way.why}: mail is kept in Maildirs instead`);
    }
  }
  for (const name of ["home_mailbox", "mail_spool_directory"]) {
    const { value, from, isDefault } = settings.get(name);
    if (isDefault || value === "") continue;
    draft.leave(
      from,
      `${name} = ${value}`,
      "mail is kept in ./data/mail, all of it owned by the server's user; or LMTP to Dovecot",
    );
  }
  return null;
}

async function virtualMailboxes(site: Site): Promise<void> {
  const { draft, settings } = site;
  const base = settings.get("virtual_mailbox_base"), maps = settings.get("virtual_mailbox_maps");
  const places: { key: string; value: string; from: Origin }[] = [];
  for (const { table } of await tablesOf(site, maps)) if (table.kind === "entries") places.push(...table.entries);
  const options: Record<string, Value> = { root: base.value === "" ? "./data/virtual" : base.value };
  const layout = LAYOUTS.find((each) => places.every((place) => fits(each, place)));
  if (layout === undefined || base.value === "") {
    options.root = "./data/virtual";
    draft.leave(
      maps.from,
      "virtual_mailbox_maps",
      "its mailboxes lie in no one order of folders: new ones are made in ./data/virtual",
    );
  } else options.layout = layout;
  const plugin = draft.plugin("maildir", maps.from, "virtual_mailboxes");
  for (const [key, value] of Object.entries(options)) plugin.set(key, value, key === "root" ? base.from : maps.from);
}

const LAYOUTS = [
  "{domain}/{local}/Maildir",
  "{domain}/{local}",
  "{domain}/{local}/.maildir",
  "{local}@{domain}",
  "{local}",
];

/** Only what ends in a slash is a Maildir. */
function fits(layout: string, { key, value }: { key: string; value: string }): boolean {
  const at = key.lastIndexOf("@");
  if (at <= 0) return true;
  const path = layout.replace("{domain}", key.slice(at + 1)).replace("{local}", key.slice(0, at));
  return value.toLowerCase() === `${path.toLowerCase()}/`;
}
