/**
 * `transport:nexthop` (transport(5)) and the next hops of relayhost: where mail goes, as `nextHops` have it, with the
 * login that smtp_sasl_password_maps has for it. Non-job: which mail goes there (routes.ts, mailboxes.ts).
 */
import { join } from "node:path";
import { isIP } from "node:net";
import type { Origin, Value } from "../draft.ts";
import type { Service } from "./master.ts";
import type { Site } from "./site.ts";
import { type Entry, readTable, type Table } from "./tables.ts";

export type Way =
  /** The name of a next hop. */
  | { readonly to: "hop"; readonly name: string }
  /** The hosts of the domain. */
  | { readonly to: "mx" }
  | { readonly to: "discard" }
  /** Postfix's own delivery to mailboxes. */
  | { readonly to: "mailboxes" }
  /** Nothing here does that; `why` says what it is. */
  | { readonly to: "none"; readonly why: string };

/** `text`: `smtp:[host]:port`, `lmtp:unix:private/lmtp`, `:`, `error:...`. */
export async function wayOf(site: Site, text: string, from: Origin): Promise<Way> {
  const colon = text.indexOf(":"), transport = (colon < 0 ? text : text.slice(0, colon)).trim();
  const nexthop = colon < 0 ? "" : text.slice(colon + 1).trim();
  if (transport === "local" || transport === "virtual") return { to: "mailboxes" };
  if (transport === "discard") return { to: "discard" };
  if (transport === "error" || transport === "retry") {
    return {
      to: "none",
      why: `refuses mail with "${nexthop.slice(0, 80)}"; such a name is refused where no table has it`,
    };
  }
  const service = servicesOf(site).get(transport);
  const command = transport === "" || transport === "relay" ? "smtp" : service?.command ?? transport;
  if (command === "lmtp") {
    const hosts = lmtpHosts(nexthop, site.settings.text("queue_directory"));
    return hosts === null ? { to: "none", why: "names no host" } : hopOf(site, { hosts, wanted: "lmtp" }, from);
  }
  if (command !== "smtp") return { to: "none", why: `the service ${transport} of master.cf is the program ${command}` };
  if (nexthop === "") return { to: "mx" };
  const wrapped = site.settings.with(service?.overrides ?? new Map()).is("smtp_tls_wrappermode");
  return await smtpHop(site, nexthop, { from, wrapped });
}

const clients = new WeakMap<Site, ReadonlyMap<string, Service>>();

/** Services that send, by their names; the first of a name counts. */
function servicesOf(site: Site): ReadonlyMap<string, Service> {
  let known = clients.get(site);
  if (known === undefined) {
    const named = site.services.filter(({ type }) => type === "unix").map((each) => [each.name, each] as const);
    clients.set(site, known = new Map(named.toReversed()));
  }
  return known;
}

/** `[host]:port, host2`: brackets stand for the host itself, a bare name for its mail hosts. */
export async function smtpHop(
  site: Site,
  nexthop: string,
  { from, wrapped }: { from: Origin; wrapped: boolean },
): Promise<Way> {
  const hosts: string[] = [];
  let mx: boolean | null = null;
  for (const each of nexthop.split(",").map((text) => text.trim()).filter((text) => text !== "")) {
    const found = /^(?:\[([^\]\s]{1,255})\]|([^\s:[\]]{1,255}))(?::([A-Za-z0-9]{1,20}))?$/.exec(each);
    if (found === null) return { to: "none", why: `${each.slice(0, 60)} is no host` };
    const [, bracketed, bare, port] = found, host = (bracketed ?? bare!).replace(/^IPv6:/i, "");
    const direct = bracketed !== undefined || isIP(host) !== 0;
    if (mx !== null && mx === direct) return { to: "none", why: "mixes hosts in brackets with others" };
    mx = !direct;
    const number = port === undefined ? "" : `:${Object.hasOwn(PORTS, port) ? PORTS[port]! : port}`;
    hosts.push(`${wrapped ? "smtps" : "smtp"}://${isIP(host) === 6 ? `[${host}]` : host}${number}`);
  }
  if (hosts.length === 0) return { to: "none", why: "names no host" };
  const login = await loginOf(site, nexthop);
  const wanted = hosts[0]!.replace(/^smtps?:\/\//, "").replace(/:\d+$/, "");
  return hopOf(site, { hosts, wanted, more: { ...mx ? { mx: true } : {}, ...login } }, from);
}

/** Names of services that stand for ports (services(5)). */
const PORTS: Readonly<Record<string, string>> = { smtp: "25", submission: "587", smtps: "465", submissions: "465" };

function hopOf(
  site: Site,
  { hosts, wanted, more = {} }: { hosts: string[]; wanted: string; more?: { readonly [key: string]: Value } },
  from: Origin,
): Way {
  return { to: "hop", name: site.draft.hop(wanted, { hosts, ...more }, from) };
}

function lmtpHosts(nexthop: string, queue: string): string[] | null {
  const unix = /^unix:(\S+)$/.exec(nexthop);
  if (unix !== null) return [`lmtp+unix://${unix[1]!.startsWith("/") ? unix[1]! : join(queue, unix[1]!)}`];
  const inet = /^(?:inet:)?\[?([^\]\s:]{1,255})\]?(?::(\d{1,5}))?$/.exec(nexthop);
  return inet === null ? null : [`lmtp://${inet[1]}:${inet[2] ?? "24"}`];
}

const read = new WeakMap<Table, ReadonlyMap<string, Entry>>();

/** Entries by key; the first of a key counts. */
function loginsIn(table: Table & { readonly kind: "entries" }): ReadonlyMap<string, Entry> {
  let known = read.get(table);
  if (known === undefined) {
    read.set(table, known = new Map(table.entries.map((each) => [each.key, each] as const).toReversed()));
  }
  return known;
}

/** The login for a next hop, looked up as Postfix does: by the next hop as it is written, then by its host. */
async function loginOf(site: Site, nexthop: string): Promise<{ readonly [key: string]: Value }> {
  const { settings, draft } = site;
  const maps = settings.get("smtp_sasl_password_maps");
  if (!settings.is("smtp_sasl_auth_enable") || maps.value === "") return {};
  const host = nexthop.replace(/:\w+$/, "").replace(/^\[(.*)\]$/, "$1").toLowerCase();
  for (const word of settings.list("smtp_sasl_password_maps")) {
    const table = await readTable(word, { sources: site.sources, from: maps.from });
    if (table.kind === "entries") {
      const logins = loginsIn(table), entry = logins.get(nexthop.toLowerCase()) ?? logins.get(host);
      if (entry === undefined) continue;
      const colon = entry.value.indexOf(":");
      if (colon > 0) return { auth: { user: entry.value.slice(0, colon), password: entry.value.slice(colon + 1) } };
    } else if (table.kind === "static" && table.value.includes(":")) {
      const colon = table.value.indexOf(":");
      return { auth: { user: table.value.slice(0, colon), password: table.value.slice(colon + 1) } };
    } else {
      const why = table.kind === "none" ? table.why : "it holds patterns";
      draft.leave(maps.from, `smtp_sasl_password_maps: ${word}`, `${why}: write the login under nextHops.NAME.auth`);
    }
  }
  return {};
}
