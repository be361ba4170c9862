/**
 * Where foreign mail goes: transport_maps, relayhost, sender_dependent_relayhost_maps, as routes and next hops.
 * Non-job: what a next hop is (transport.ts), mailboxes of our own (mailboxes.ts).
 */
import type { Origin } from "../draft.ts";
import { type Domains, type Site, tablesOf } from "./site.ts";
import { smtpHop, type Way, wayOf } from "./transport.ts";

type Transports = ReadonlyMap<string, { readonly value: string; readonly from: Origin }>;
const read = new WeakMap<Site, Promise<Transports>>();

/** transport_maps: domain, `.domain`, address or `*` to a transport. */
export function transportsOf(site: Site): Promise<Transports> {
  let known = read.get(site);
  if (known === undefined) read.set(site, known = readTransports(site));
  return known;
}

async function readTransports(site: Site): Promise<Transports> {
  const setting = site.settings.get("transport_maps"), found = new Map<string, { value: string; from: Origin }>();
  for (const { name, table } of await tablesOf(site, setting)) {
    if (table.kind === "entries") {
      for (const { key, value, from } of table.entries) if (!found.has(key)) found.set(key, { value, from });
    } else {
      const why = table.kind === "none" ? table.why : "patterns of addresses";
      site.draft.leave(setting.from, `transport_maps: ${name}`, `${why}: write delivery.routes`);
    }
  }
  return found;
}

export async function readRoutes(site: Site, domains: Domains): Promise<void> {
  const { draft, settings } = site;
  const add = (way: Way, pattern: { domain?: string; sender?: string }, from: Origin, what: string) => {
    if (way.to === "hop") draft.routes.push({ value: { ...pattern, to: "remote", via: way.name }, from });
    else if (way.to === "mx") draft.routes.push({ value: { ...pattern, to: "remote" }, from });
    else if (way.to === "discard") draft.routes.push({ value: { ...pattern, to: "discard" }, from });
    else if (way.to === "none") draft.leave(from, what, `${way.why}: write a route or a plugin`);
    // "mailboxes": recipients.yaml has them
  };
  const rest: (() => void)[] = [];
  // The closer pattern first: the first route that fits counts
  for (
    const [key, { value, from }] of [...await transportsOf(site)].toSorted(([a], [b]) => closeness(b) - closeness(a))
  ) {
    const what = `transport_maps: ${key.slice(0, 60)} ${value.slice(0, 60)}`;
    if (key.includes("@")) {
      draft.leave(from, what, "a route of one address: an account with { to: remote, via: NAME } in recipients.yaml");
      continue;
    }
    if (domains.local.has(key) || domains.alias.has(key)) {
      if (domains.local.has(key) && !/^(?:local|virtual)?:?$/.test(value)) {
        draft.leave(
          from,
          what,
          "all mailboxes of that domain are elsewhere: give deliverTo of recipients that next hop",
        );
      }
      continue;
    }
    const way = await wayOf(site, value === "" ? ":" : value, from);
    if (key === "*") rest.push(() => add(way, {}, from, what));
    else add(way, { domain: key.startsWith(".") ? `*${key}` : key }, from, what);
  }
  await readSenders(site, add);
  for (const each of rest) each();
  const relayhost = settings.get("relayhost");
  if (relayhost.value === "") return;
  const way = await smtpHop(site, relayhost.value, {
    from: relayhost.from,
    wrapped: settings.is("smtp_tls_wrappermode"),
  });
  if (way.to === "none") {
    // Mail must not leave by another way than the one that was wanted
    draft.routes.push({
      value: { to: "hold", reason: "relayhost of Postfix could not be read" },
      from: relayhost.from,
    });
    draft.leave(
      relayhost.from,
      `relayhost = ${relayhost.value}`,
      `${way.why}: foreign mail is held until a route says where it goes`,
    );
  } else add(way, {}, relayhost.from, "relayhost");
}

/** A name before the names below it, and `*` last. */
function closeness(key: string): number {
  return key === "*" ? 0 : key.split(".").length * 2 + (key.startsWith(".") ? 0 : 1);
}

async function readSenders(
  site: Site,
  add: (way: Way, pattern: { sender: string }, from: Origin, what: string) => void,
): Promise<void> {
  const setting = site.settings.get("sender_dependent_relayhost_maps");
  for (const { name, table } of await tablesOf(site, setting)) {
    if (table.kind !== "entries") {
      site.draft.leave(setting.from, `${setting.name}: ${name}`, "write delivery.routes with `sender`");
      continue;
    }
    for (const { key, value, from } of table.entries) {
      const way = await smtpHop(site, value, { from, wrapped: site.settings.is("smtp_tls_wrappermode") });
      add(way, { sender: key.replace(/^@/, "") }, from, `${setting.name}: ${key.slice(0, 60)}`);
    }
  }
}
