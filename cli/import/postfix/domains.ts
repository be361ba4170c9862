/**
 * Which domains are in which address class: mydestination, virtual_alias_domains, virtual_mailbox_domains, relay_domains.
 * Non-job: who lives there (mailboxes.ts).
 */
import { canonicalDomain } from "../../../core/pipeline/mod.ts";
import type { Origin } from "../draft.ts";
import { SourceError } from "../sources.ts";
import { logicalLines, wordsOf } from "./lines.ts";
import type { Setting } from "./settings.ts";
import type { Domains, Site } from "./site.ts";
import { readTable } from "./tables.ts";

export async function readDomains(site: Site): Promise<Domains> {
  const { settings } = site;
  const local = await domainList(site, settings.get("mydestination"));
  const others = (name: string) => domainList(site, settings.get(name));
  const alias = await others("virtual_alias_domains"), mailbox = await others("virtual_mailbox_domains");
  const relay = await others("relay_domains");
  // The first class that has a domain is the one that counts
  for (const known of local.keys()) for (const later of [alias, mailbox, relay]) later.delete(known);
  for (const known of alias.keys()) for (const later of [mailbox, relay]) later.delete(known);
  for (const known of mailbox.keys()) relay.delete(known);
  const below = settings.list("parent_domain_matches_subdomains").includes("relay_domains");
  if (below) { for (const [name, from] of [...relay]) if (!name.startsWith("*.")) relay.set(`*.${name}`, from); }
  return { local, alias, mailbox, relay, origin: await originOf(site) };
}

/** myorigin may name a file, of which the first line counts. */
async function originOf(site: Site): Promise<string> {
  const { value, from } = site.settings.get("myorigin");
  let text = value;
  if (value.startsWith("/")) {
    try {
      text = logicalLines((await site.sources.read(value)).text)[0]?.text ?? "";
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      site.draft.leave(from, `myorigin = ${value}`, `${error.message}: addresses without a domain got myhostname's`);
      text = site.settings.text("myhostname");
    }
  }
  return canonicalDomain(text) ?? site.settings.text("myhostname");
}

/** Domains of a list in which files and tables may stand. */
async function domainList(site: Site, setting: Setting): Promise<Map<string, Origin>> {
  const found = new Map<string, Origin>();
  const { draft, sources } = site;
  const take = (text: string, from: Origin, quiet = false) => {
    const bare = text.startsWith(".") ? text.slice(1) : text;
    const domain = canonicalDomain(bare);
    if (domain === null || domain === "") {
      if (!quiet) draft.leave(from, `${setting.name}: ${text.slice(0, 60)}`, "this is no domain; name it in `domains`");
    } else found.set(text.startsWith(".") ? `*.${domain}` : domain, from);
  };
  for (const word of wordsOf(setting.value)) {
    if (word.startsWith("!")) {
      draft.leave(
        setting.from,
        `${setting.name}: ${word}`,
        "a domain cannot be taken out again: name the others one by one",
      );
    } else if (word.startsWith("/")) {
      try {
        const { name, text } = await sources.read(word);
        for (const { number, text: line } of logicalLines(text)) {
          for (const each of wordsOf(line)) take(each, { file: name, line: number });
        }
      } catch (error) {
        if (!(error instanceof SourceError)) throw error;
        draft.leave(setting.from, `${setting.name}: ${word}`, `${error.message}: name its domains in \`domains\``);
      }
    } else if (/^[a-z]+:/.test(word) && !word.startsWith("[")) {
      const table = await readTable(word, { sources, from: setting.from });
      if (table.kind === "entries") {
        // A table of addresses names domains by keys that are nothing else
        for (const { key, from } of table.entries) if (!key.includes("@") && key.includes(".")) take(key, from, true);
      } else if (!setting.isDefault) {
        const why = table.kind === "none" ? table.why : "its domains are patterns";
        draft.leave(setting.from, `${setting.name}: ${word}`, `${why}: name its domains in \`domains\``);
      }
    } else take(word, setting.from);
  }
  return found;
}
