/**
 * A folder of Postfix (main.cf, master.cf and the tables they name) as a draft of ours, part by part. What is not
 * understood is never let through: it is left closed and told. Non-job: the parts, writing what comes out (written.ts).
 */
import { canonicalDomain } from "../../../core/pipeline/mod.ts";
import { Draft, type Origin } from "../draft.ts";
import { SourceError, type Sources } from "../sources.ts";
import { readContent } from "./content.ts";
import { readDomains } from "./domains.ts";
import { meansNothing } from "./idle.ts";
import { readListeners } from "./listeners.ts";
import { readMailboxes } from "./mailboxes.ts";
import { readMaster, type Service } from "./master.ts";
import { readRelay } from "./relay.ts";
import { readRestrictions } from "./restrictions.ts";
import { readRoutes } from "./routes.ts";
import { ExpansionError, Settings } from "./settings.ts";
import type { Domains, Site } from "./site.ts";
import { storePlugins } from "./stores.ts";
import { readValues } from "./values.ts";

/** Where Postfix keeps its configuration. */
export const HOME = "/etc/postfix";

/** @throws {SourceError} when there is no main.cf, or its values cannot be told */
export async function importPostfix(sources: Sources): Promise<Draft> {
  const main = await sources.read("main.cf");
  const draft = new Draft(), settings = Settings.read(main.text, main.name);
  const site: Site = { draft, settings, sources, services: await servicesOf(sources, draft) };
  for (const { line, text } of settings.odd) {
    draft.leave({ file: main.name, line }, text, "this is no line of a main.cf");
  }
  try {
    await fill(site);
  } catch (error) {
    if (error instanceof ExpansionError) throw new SourceError(`${main.name}: ${error.message}`);
    throw error;
  }
  for (const { name, value, from } of settings.unasked) {
    if (meansNothing(name)) draft.idles(from, name, "there is nothing to say here");
    else draft.leave(from, `${name} = ${value.slice(0, 60)}`, "no counterpart is known; docs/from-postfix.md");
  }
  return draft;
}

async function servicesOf(sources: Sources, draft: Draft): Promise<Service[]> {
  const file = await sources.find("master.cf");
  if (file === null) return [];
  const { services, odd } = readMaster(file.text, file.name);
  for (const { line, text } of odd) draft.leave({ file: file.name, line }, text, "this is no line of a master.cf");
  return services;
}

async function fill(site: Site): Promise<void> {
  const { draft, settings } = site;
  const host = settings.get("myhostname");
  draft.set("hostname", canonicalDomain(host.value) ?? "localhost", host.from);
  const world = await readListeners(site);
  const domains = await readDomains(site);
  const { relayed } = await readMailboxes(site, domains);
  await readRelay(site, { settings: world, relayed });
  await readRestrictions(site, world);
  await readRoutes(site, domains);
  readValues(site);
  await readContent(site, domains);
  nameDomains(site, { domains, relayed });
  await storePlugins(site, domains);
  readPostmaster(site, domains);
}

/** Domains that are ours: those whose recipients are known one by one. */
function nameDomains(
  { draft, settings }: Site,
  { domains, relayed }: { domains: Domains; relayed: ReadonlyMap<string, Origin> },
): void {
  const listed = [...domains.relay.keys()].filter((name) => !relayed.has(name) && draft.book.virtual.has(name));
  const all = [...domains.local.keys(), ...domains.alias.keys(), ...domains.mailbox.keys(), ...listed];
  const order = all.toSorted((a, b) => Number(b === domains.origin) - Number(a === domains.origin));
  draft.set("domains", [...new Set(order)], settings.get("mydestination").from);
}

/** Somebody who reads mail for postmaster, if the tables know one. */
function readPostmaster(site: Site, domains: Domains): void {
  const { draft } = site, { book } = draft;
  const from = book.aliases.get("postmaster")?.from ?? domains.local.values().next().value;
  const home = domains.local.has(domains.origin)
    ? domains.origin
    : [...domains.local.keys()].find((each) => !book.virtual.has(each));
  const whole = [...domains.alias.keys(), ...domains.mailbox.keys(), ...domains.local.keys()].map((each) =>
    `postmaster@${each}`
  )
    .find((each) => book.knows(each));
  const local = ["postmaster", "root"].find((each) => book.knows(each));
  if (local !== undefined && home !== undefined && from !== undefined) {
    draft.set("postmaster", `${local}@${home}`, from);
  } else if (whole !== undefined) {
    draft.set("postmaster", whole, (book.aliases.get(whole) ?? book.accounts.get(whole))!.from);
  } else {
    draft.leave(
      { file: "main.cf", line: 0 },
      "postmaster",
      "nobody is found who reads its mail (RFC 5321 4.5.1): write `postmaster`",
    );
  }
}
