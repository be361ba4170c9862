/**
 * Who is behind an address: mailboxes of the system and of virtual domains, aliases(5), virtual(5), and the recipients of
 * domains that are relayed. Non-job: which domains there are (domains.ts), where foreign mail goes (routes.ts).
 */
import { nameIn, type Store } from "../book.ts";
import { MOST_PAIRS, type Origin } from "../draft.ts";
import { SourceError, type SourceFile } from "../sources.ts";
import { type AliasLine, readAliases, type Target, targetsIn } from "./aliases.ts";
import { logicalLines } from "./lines.ts";
import { completed, type Domains, type Site, tablesOf } from "./site.ts";
import type { Entry } from "./tables.ts";
import { wayOf } from "./transport.ts";
import { transportsOf } from "./routes.ts";

/** Domains whose recipients are known one by one, beside those of relay.domains. */
export async function readMailboxes(site: Site, domains: Domains): Promise<{ relayed: Map<string, Origin> }> {
  const { draft } = site, { book } = draft;
  for (const domain of [...domains.alias, ...domains.mailbox]) book.virtual.set(...domain);
  const shadowed = await readVirtualAliases(site, domains);
  await readLocal(site, domains, shadowed);
  await readVirtualMailboxes(site, domains, shadowed);
  return { relayed: await readRelayed(site, domains) };
}

/**
 * virtual_alias_maps counts before everything else. A catch-all hides the mailboxes of its domain there (virtual(5)), as
 * it does not here: the domains that have one are given back, each with the addresses that it leaves as they are.
 */
async function readVirtualAliases(site: Site, domains: Domains): Promise<Map<string, Set<string>>> {
  const { draft, settings } = site, { book } = draft, shadowed = new Map<string, Set<string>>();
  const setting = settings.get(settings.hasWritten("virtual_alias_maps") ? "virtual_alias_maps" : "virtual_maps");
  for (const { name, table } of await tablesOf(site, setting)) {
    if (table.kind !== "entries") {
      const why = table.kind === "none" ? table.why : "patterns of addresses";
      draft.leave(setting.from, `${setting.name}: ${name}`, `${why}: name its addresses in recipients.yaml`);
      continue;
    }
    for (const entry of table.entries) {
      const targets = addresses(site, entry, domains);
      const at = entry.key.lastIndexOf("@"), domain = entry.key.slice(at + 1);
      if (at < 0) {
        if (domains.alias.has(entry.key) || entry.key.includes(".") && !domains.local.size) continue; // names a domain
        if (nameIn(entry.key) !== null) book.alias(entry.key, targets, entry.from);
      } else if (!ours(domain, domains)) leaveForeign(site, entry, targets);
      else if (at === 0) {
        book.catchesAll(domain, targets, entry.from);
        shadowed.set(domain, new Set(targets));
      } else if (nameIn(entry.key) !== null) {
        book.alias(entry.key, targets, entry.from);
        if (targets.includes(entry.key)) {
          (shadowed.get(domain) ?? shadowed.set(domain, new Set()).get(domain)!).add(entry.key);
        }
      } else draft.leave(entry.from, entry.key.slice(0, 60), "this is no address");
    }
  }
  for (const domain of [...shadowed.keys()]) if (!book.catchAll.has(domain)) shadowed.delete(domain);
  return shadowed;
}

const ours = (domain: string, { local, alias, mailbox }: Domains) =>
  local.has(domain) || alias.has(domain) || mailbox.has(domain);

/** Postfix puts other addresses in the place of foreign ones too. */
function leaveForeign({ draft }: Site, entry: Entry, targets: readonly string[]): void {
  if (targets.length === 1 && nameIn(entry.key) !== null) {
    const table = draft.plugin("address_map", entry.from).table("canonical", entry.from, "recipient");
    if (table.has(entry.key)) return;
    if (table.size < MOST_PAIRS) table.set(entry.key, targets[0]!);
    else draft.leave(entry.from, entry.key.slice(0, 60), "one pair too many: write a plugin that reads their table");
  } else {draft.leave(
      entry.from,
      entry.key.slice(0, 60),
      "an address of a foreign domain that becomes several: write a plugin",
    );}
}

/** Targets of an entry as whole addresses. */
function addresses(site: Site, entry: Entry, { origin }: Domains): string[] {
  // Postfix parts addresses by white space too
  return targetsIn(entry.value.includes('"') ? entry.value : entry.value.replace(/\s+/g, ",")).flatMap(
    ({ kind, text }) => {
      const address = kind !== "address" ? null : text.startsWith("@") ? nameIn(text) : completed(text, origin);
      if (address !== null) return [address];
      site.draft.leave(
        entry.from,
        `${entry.key.slice(0, 60)}: ${text.slice(0, 60)}`,
        "this is no address: nobody gets it",
      );
      return [];
    },
  );
}

/** Accounts of the system and aliases(5): names without a domain, in each of mydestination. */
async function readLocal(site: Site, domains: Domains, shadowed: ReadonlyMap<string, Set<string>>): Promise<void> {
  if (domains.local.size === 0) return;
  const { draft, settings } = site, { book } = draft;
  for (const [domain, kept] of shadowed) {
    const from = domains.local.get(domain);
    if (from === undefined) continue;
    book.virtual.set(domain, from); // its catch-all comes before the accounts of the system
    for (const each of kept) if (each.endsWith(`@${domain}`)) book.account(each, null, from);
  }
  const aliases: AliasLine[] = [];
  for (const word of settings.list("alias_maps")) {
    const type = word.replace(/^proxy:/, "").split(":")[0]!;
    try {
      if (/^(?:hash|btree|lmdb|cdb|dbm|sdbm|texthash)$/.test(type)) {
        aliases.push(...await readAliases(word.slice(word.lastIndexOf(":") + 1), site.sources));
      } else {draft.leave(
          settings.get("alias_maps").from,
          `alias_maps: ${word}`,
          "write its aliases into recipients.yaml",
        );}
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      draft.leave(settings.get("alias_maps").from, `alias_maps: ${word}`, `${error.message}: its aliases are missing`);
    }
  }
  await readAccounts(site, domains);
  const names = new Set([...aliases.map(({ name }) => name), ...book.accounts.keys(), ...book.aliases.keys()]);
  for (const line of aliases) await takeAlias(site, line, { names, domains });
}

async function takeAlias(
  site: Site,
  { name, targets, from }: AliasLine,
  { names, domains }: { names: ReadonlySet<string>; domains: Domains },
): Promise<void> {
  const { draft } = site, { book } = draft;
  if (nameIn(name) === null) return draft.leave(from, name.slice(0, 60), "this is no name");
  const members: string[] = [];
  for (const target of await flattened(site, targets, from)) {
    const what = `${name}: ${target.text.slice(0, 60)}`;
    if (target.kind !== "address") {
      draft.leave(
        from,
        what,
        "mail for a program or a file: a web hook (nextHops with https), or a storage plugin of your own",
      );
      continue;
    }
    const bare = target.text.toLowerCase();
    if (bare.includes("@")) {
      const address = nameIn(bare);
      if (address === null) draft.leave(from, what, "this is no address");
      else members.push(address);
    } else if (!domains.local.has(domains.origin)) members.push(`${bare}@${domains.origin}`);
    else if (names.has(bare) && nameIn(bare) !== null) members.push(bare);
    else draft.leave(from, what, "nobody has that name, so Postfix would bounce this copy; it is left out");
  }
  if (members.length > 0) book.alias(name, members, from);
  else {draft.leave(
      from,
      `${name}:`,
      "nothing of this alias is left: the name is refused, or is the account of that name",
    );}
}

/** Members of `:include:` files in all aliases together: a file that is included often must not multiply without end. */
const MOST_MEMBERS = 500_000;
const included = new WeakMap<Site, { left: number }>();
const members = new WeakMap<SourceFile, readonly Target[]>();

function membersOf(file: SourceFile): readonly Target[] {
  const known = members.get(file) ?? logicalLines(file.text).flatMap((line) => targetsIn(line.text));
  members.set(file, known);
  return known;
}

/** With the members of `:include:` files in their place, one level deep. */
async function flattened(site: Site, targets: readonly Target[], from: Origin): Promise<Target[]> {
  const all: Target[] = [], room = included.get(site) ?? { left: MOST_MEMBERS };
  included.set(site, room);
  for (const target of targets) {
    if (target.kind !== "include") {
      all.push(target);
      continue;
    }
    try {
      const found = membersOf(await site.sources.read(target.text));
      if ((room.left -= found.length) < 0) {
        throw new SourceError("all aliases together have more than 500,000 included members");
      }
      for (const each of found) if (each.kind === "address") all.push(each);
      if (found.some(({ kind }) => kind !== "address")) {
        site.draft.leave(from, `:include:${target.text}`, "only its addresses were taken");
      }
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      site.draft.leave(from, `:include:${target.text}`, `${error.message}: its members are missing`);
    }
  }
  return all;
}

/** local_recipient_maps: who is there beside the aliases. */
async function readAccounts(site: Site, domains: Domains): Promise<void> {
  const { draft, settings } = site, { book } = draft;
  const setting = settings.get("local_recipient_maps");
  const aliasMaps = new Set(settings.list("alias_maps"));
  const store = (domain: string) => storeOf(site, domain);
  if (setting.value === "") {
    const luser = settings.get("luser_relay");
    // `$user@host` is the same name elsewhere
    const written = settings.written("luser_relay").replace(/^\$(?:user|local|\{user\})(?=@)/, "");
    const target = written.includes("$")
      ? null
      : written.startsWith("@")
      ? nameIn(written)
      : completed(written, domains.origin);
    if (luser.value !== "" && target !== null) {
      for (const domain of domains.local.keys()) book.catchesAll(domain, [target], luser.from);
    } else {
      draft.leave(
        setting.from,
        "local_recipient_maps =",
        "every name was taken, and what nobody has was bounced; name the accounts in recipients.yaml",
      );
    }
  }
  for (const { name, table } of await tablesOf(site, setting)) {
    if (aliasMaps.has(name)) continue;
    if (table.kind === "passwd") await readPasswd(site, setting.from);
    else if (table.kind === "entries") {
      for (const { key, from } of table.entries) {
        if (nameIn(key) === null || key.startsWith("@")) {
          draft.leave(from, key.slice(0, 60), "this is no name of an account");
        } else book.account(key, key.includes("@") ? await store(key.split("@")[1]!) : null, from);
      }
    } else {
      const why = table.kind === "none" ? table.why : "it takes every name that fits";
      draft.leave(setting.from, `local_recipient_maps: ${name}`, `${why}: name the accounts in recipients.yaml`);
    }
  }
}

async function readPasswd(site: Site, from: Origin): Promise<void> {
  try {
    const { name: file, text } = await site.sources.read("/etc/passwd");
    text.split("\n").forEach((line, index) => {
      const name = line.split(":")[0]!.toLowerCase();
      if (/^[a-z0-9_][a-z0-9_.-]*$/.test(name)) site.draft.book.account(name, null, { file, line: index + 1 });
    });
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    site.draft.leave(from, "unix:passwd.byname", `${error.message}: name the accounts in recipients.yaml`);
  }
}

/** Where mail of a domain's mailboxes goes, when transport_maps says so; null: where all mailboxes are. */
async function storeOf(site: Site, domain: string): Promise<Store | null> {
  const transport = (await transportsOf(site)).get(domain);
  if (transport === undefined) return null;
  const way = await wayOf(site, transport.value, transport.from);
  return way.to === "hop" ? { via: way.name } : way.to === "mx" ? { via: null } : null;
}

async function readVirtualMailboxes(
  site: Site,
  domains: Domains,
  shadowed: ReadonlyMap<string, Set<string>>,
): Promise<void> {
  const { draft, settings } = site, { book } = draft;
  const setting = settings.get("virtual_mailbox_maps"), transport = settings.get("virtual_transport");
  const way = await wayOf(site, transport.value, transport.from);
  const general: Store | null = way.to === "hop" ? { via: way.name } : { plugin: "virtual_mailboxes" };
  if (domains.mailbox.size > 0 && way.to === "none") {
    draft.leave(
      transport.from,
      `virtual_transport = ${transport.value}`,
      `${way.why}: mail is kept in Maildirs instead`,
    );
  }
  const before = book.accounts.size;
  for (const { name, table } of await tablesOf(site, setting)) {
    if (table.kind !== "entries") {
      const why = table.kind === "none" ? table.why : "it takes every name that fits";
      draft.leave(setting.from, `virtual_mailbox_maps: ${name}`, `${why}: name the mailboxes in recipients.yaml`);
      continue;
    }
    for (const { key, from } of table.entries) {
      const domain = key.slice(key.lastIndexOf("@") + 1);
      if (!domains.mailbox.has(domain) || !key.includes("@")) continue;
      if (key.startsWith("@")) {
        draft.leave(from, key, "a mailbox of every name: name one account and a catchAll that leads to it");
      } else if (shadowed.has(domain) && !shadowed.get(domain)!.has(key)) {
        draft.idles(from, key, "a catch-all of virtual_alias_maps hides this mailbox, there and here");
      } else if (nameIn(key) !== null) book.account(key, await storeOf(site, domain) ?? general, from);
    }
  }
  if (domains.mailbox.size > 0 && book.accounts.size === before) {
    draft.leave(
      setting.from,
      "virtual_mailbox_maps",
      "no mailbox of these domains is known: all their names are refused until recipients.yaml has them",
    );
  }
}

/** relay_domains whose recipients are listed, with these recipients; the others are given back. */
async function readRelayed(site: Site, domains: Domains): Promise<Map<string, Origin>> {
  const { draft, settings } = site, { book } = draft, relayed = new Map(domains.relay);
  const setting = settings.get("relay_recipient_maps");
  if (setting.value === "") return relayed;
  let known = true;
  for (const { name, table } of await tablesOf(site, setting)) {
    if (table.kind !== "entries") {
      const why = table.kind === "none" ? table.why : "patterns of addresses";
      draft.leave(
        setting.from,
        `relay_recipient_maps: ${name}`,
        `${why}: none of its recipients is taken; verify_recipient asks their host`,
      );
      known = false;
      continue;
    }
    for (const { key, from } of table.entries) {
      const domain = key.slice(key.lastIndexOf("@") + 1);
      if (!key.includes("@") || !domains.relay.has(domain)) continue;
      if (key.startsWith("@")) draft.idles(from, key, "every name of that domain is taken, as relay.domains says");
      else if (nameIn(key) !== null) book.account(key, await storeOf(site, domain) ?? { via: null }, from);
    }
    const everybody = new Set(table.entries.filter(({ key }) => key.startsWith("@")).map(({ key }) => key.slice(1)));
    for (const [domain, from] of domains.relay) {
      if (everybody.has(domain)) continue;
      relayed.delete(domain);
      if (!domain.startsWith("*.")) book.virtual.set(domain, from);
    }
  }
  if (!known) relayed.clear(); // who they are is not known: nobody is the safe answer
  return relayed;
}
