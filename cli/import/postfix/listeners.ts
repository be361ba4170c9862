/**
 * Listeners: the services of master.cf that take SMTP from the network, with TLS, logins and certificates. Where there is
 * no master.cf, one on port 25. Non-job: what they refuse (restrictions.ts).
 */
import { Certificates } from "../../../core/net/tls/certificates.ts";
import type { Origin, Value } from "../draft.ts";
import type { Service } from "./master.ts";
import { wordsOf } from "./lines.ts";
import type { Settings } from "./settings.ts";
import type { Site } from "./site.ts";
import { networkIn } from "../network.ts";

const PORTS: Readonly<Record<string, number>> = { smtp: 25, submission: 587, smtps: 465, submissions: 465, lmtp: 24 };

/** The settings of the service that the world talks to. */
export async function readListeners(site: Site): Promise<Settings> {
  const { draft, settings, services } = site;
  const takers = services.filter(({ type, command }) => type === "inet" && /^(?:smtpd|postscreen)$/.test(command));
  const certified = await readCertificates(site);
  let world: Settings | null = null;
  for (const service of takers) {
    // Behind postscreen stands the smtpd of type pass
    const behind = service.command === "postscreen"
      ? services.find(({ type, command }) => type === "pass" && command === "smtpd") ?? service
      : service;
    const own = settings.with(behind.overrides);
    const role = roleOf(service, own);
    if (role === null) {
      draft.leave(
        service.from,
        `${service.name} inet smtpd`,
        "a port for content filters: use a milter, rspamd, or listeners[].xclient",
      );
      continue;
    }
    if (role === "submission" && !certified) {
      draft.leave(
        service.from,
        `${service.name} inet smtpd`,
        "logins need TLS: write tls.certificates, and then this listener",
      );
      continue;
    }
    if (role === "mx") world ??= own;
    for (const address of addressesOf(site, service)) {
      draft.listeners.push({
        value: { address, ...role === "mx" ? {} : { role }, ...tlsOf(own, { role, certified }) },
        from: service.from,
      });
    }
    if (own.text("smtpd_upstream_proxy_protocol") !== "") {
      draft.leave(service.from, "smtpd_upstream_proxy_protocol", "name the load balancer in listeners[].proxy");
    }
    if (service.command === "postscreen") readPostscreen(site, service.from);
    if (role === "submission") readLogins(site, own);
    else if (
      own.is("smtpd_sasl_auth_enable") &&
      !takers.some((each) => roleOf(each, settings.with(each.overrides)) === "submission")
    ) {
      draft.leave(
        own.get("smtpd_sasl_auth_enable").from,
        "smtpd_sasl_auth_enable = yes",
        "logins on port 25: add a listener of role submission, on port 587 or 465",
      );
    }
    if (behind.limit !== null && role === "mx") draft.set("limits.connections", Math.max(1, behind.limit), behind.from);
  }
  for (const { name, type, command, from } of services) {
    if (type === "inet" && !/^(?:smtpd|postscreen)$/.test(command)) {
      draft.leave(from, `${name} inet ${command}`, "nothing here listens for that");
    }
  }
  const from = { file: "Postfix's default", line: 0 };
  if (services.length > 0 && draft.listeners.length === 0) {
    draft.listeners.push({ value: { address: "127.0.0.1:25" }, from });
    draft.leave(
      from,
      "listeners",
      "nothing takes mail by SMTP; this machine alone does, for postern sendmail and programs here",
    );
  } else if (draft.listeners.length === 0) {
    for (const address of addressesOf(site, { name: "smtp", from } as Service)) {
      draft.listeners.push({ value: { address, ...tlsOf(settings, { role: "mx", certified }) }, from });
    }
  }
  return world ?? settings;
}

/** A port where every client is logged in, or is a filter of ours, is not for the world. */
function roleOf({ name }: Service, own: Settings): "mx" | "submission" | null {
  const port = name.slice(name.lastIndexOf(":") + 1);
  if (/^(?:submissions?|smtps|587|465)$/.test(port)) return "submission";
  if (/^(?:smtp|25|2525)$/.test(port)) return "mx";
  const filter = own.get("content_filter");
  return !filter.isDefault && filter.value === "" || /^(?:127\.|localhost|\[?::1)/.test(name) ? null : "mx";
}

function addressesOf(site: Site, { name, from }: Service): string[] {
  const colon = name.lastIndexOf(":"), word = name.slice(colon + 1);
  const port = PORTS[word] ?? Number(word);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    site.draft.leave(from, name, "no port of that name is known here");
    return [];
  }
  if (colon > 0) return [`${withBrackets(name.slice(0, colon))}:${port}`];
  const { settings } = site, protocols = settings.list("inet_protocols");
  const four = protocols.some((each) => /^(?:all|ipv4)$/.test(each)),
    six = protocols.some((each) => /^(?:all|ipv6)$/.test(each));
  const addresses: string[] = [];
  for (const each of settings.list("inet_interfaces")) {
    if (each === "all") addresses.push(...four ? ["0.0.0.0"] : [], ...six ? ["[::]"] : []);
    else if (each === "loopback-only" || each === "localhost") {
      addresses.push(...four ? ["127.0.0.1"] : [], ...six ? ["[::1]"] : []);
    } else if (networkIn(each) !== null) addresses.push(withBrackets(each));
    else if (each === settings.text("myhostname")) addresses.push(...four ? ["0.0.0.0"] : [], ...six ? ["[::]"] : []);
    else {site.draft.leave(
        settings.get("inet_interfaces").from,
        `inet_interfaces: ${each}`,
        "name its addresses in listeners",
      );}
  }
  return [...new Set(addresses)].map((address) => `${address}:${port}`);
}

const withBrackets = (host: string) => host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;

function tlsOf(
  own: Settings,
  { role, certified }: { role: "mx" | "submission"; certified: boolean },
): { readonly [key: string]: Value } {
  const level = own.text("smtpd_tls_security_level"), before = own.is("smtpd_use_tls") ? "may" : "none";
  const wanted = own.is("smtpd_tls_wrappermode")
    ? "implicit"
    : (level || (own.is("smtpd_enforce_tls") ? "encrypt" : before));
  const name = own.get("syslog_name");
  const others: { [key: string]: Value } = name.isDefault ? {} : { name: name.value.replace(/^postfix\//, "") };
  const xclient = own.list("smtpd_authorized_xclient_hosts").map(networkIn).filter((each) => each !== null);
  if (xclient.length > 0) others.xclient = xclient;
  if (!certified) return others;
  if (wanted === "implicit") return { ...others, tls: "implicit" };
  return wanted === "encrypt" || role === "submission"
    ? { ...others, tls: "require" }
    : wanted === "none"
    ? { ...others, tls: "off" }
    : others;
}

/** True where there is a pair that can be used. */
async function readCertificates(site: Site): Promise<boolean> {
  const { draft, settings, sources } = site;
  const pairs: { cert: string; key: string; from: Origin }[] = [];
  const chain = settings.get("smtpd_tls_chain_files");
  for (const file of wordsOf(chain.value)) pairs.push({ cert: file, key: file, from: chain.from });
  for (const kind of ["", "ec", "d"]) {
    const cert = settings.get(`smtpd_tls_${kind}cert_file`), key = settings.get(`smtpd_tls_${kind}key_file`);
    if (cert.value !== "" && cert.value !== "none") {
      pairs.push({ cert: cert.value, key: key.value || cert.value, from: cert.from });
    }
  }
  const protocols = settings.get("smtpd_tls_mandatory_protocols");
  if (/>=TLSv1\.3|!TLSv1\.2/.test(protocols.value)) draft.set("tls.minVersion", "1.3", protocols.from);
  for (const { cert, key, from } of pairs) {
    const pair = { certificate: sources.locate(cert), key: sources.locate(key) };
    try {
      (await Certificates.open({ pairs: [pair], trouble: () => {}, period: 0 })).close();
      draft.certificates.push({ value: { cert: pair.certificate, key: pair.key }, from });
    } catch {
      draft.leave(
        from,
        `certificate ${cert}`,
        "it cannot be read here: write it under tls.certificates, or there is no TLS and no login",
      );
    }
  }
  return draft.certificates.length > 0;
}

/** Whose passwords count on a submission port. */
function readLogins(site: Site, own: Settings): void {
  const { draft } = site;
  const enabled = own.get("smtpd_sasl_auth_enable"),
    type = own.get("smtpd_sasl_type"),
    path = own.get("smtpd_sasl_path");
  draft.plugin("submission", enabled.from);
  if (!own.is("smtpd_sasl_auth_enable")) return;
  if (type.value === "dovecot") {
    const inet = /^inet:(?:\[?([^\]]{1,255})\]?:)?(\d{1,5})$/.exec(path.value);
    const socket = inet !== null
      ? `${inet[1] ?? "127.0.0.1"}:${inet[2]}`
      : path.value.startsWith("/")
      ? path.value
      : `${own.text("queue_directory")}/${path.value}`;
    draft.plugin("dovecot_auth", path.from).set("socket", socket, path.from);
    return;
  }
  draft.leave(
    type.from,
    `smtpd_sasl_type = ${type.value}`,
    "Cyrus SASL is not asked: postern user add NAME writes accounts.txt, or ldap_auth, http_auth",
  );
}

function readPostscreen(site: Site, from: Origin): void {
  const { draft, settings } = site;
  const wait = settings.get("postscreen_greet_wait"), action = settings.text("postscreen_greet_action");
  const seconds = /^(\d{1,2})s?$/.exec(wait.value);
  const talker = draft.plugin("early_talker", from);
  if (seconds !== null) talker.set("pause", `${Math.max(1, Number(seconds[1]))}s`, wait.from);
  if (action === "" || action === "ignore") talker.set("action", "mark", settings.get("postscreen_greet_action").from);
  const sites = settings.get("postscreen_dnsbl_sites"), threshold = settings.get("postscreen_dnsbl_threshold");
  for (const word of wordsOf(sites.value)) {
    const [list = "", weight = "1"] = word.split("*"), [zone = "", codes] = list.split("="), points = Number(weight);
    if (!/^[a-z0-9_][a-z0-9_.-]*$/i.test(zone) || codes !== undefined || !Number.isInteger(points) || points === 0) {
      draft.leave(sites.from, `postscreen_dnsbl_sites: ${word}`, "write it under dnsbl.zones, with `codes`");
    } else if (points > 0) draft.plugin("dnsbl", sites.from).put("zones", zone, points, sites.from);
    else draft.plugin("dnsbl", sites.from).put("allow", zone, -points, sites.from);
  }
  if (sites.value !== "" && draft.plugins.some(({ name }) => name === "dnsbl")) {
    draft.plugin("dnsbl", sites.from).set("reject", Math.max(1, Number(threshold.value) || 1), threshold.from);
  }
  for (
    const name of [
      "postscreen_pipelining_enable",
      "postscreen_non_smtp_command_enable",
      "postscreen_bare_newline_enable",
    ]
  ) {
    if (settings.is(name)) draft.idles(settings.get(name).from, name, "the engine always looks for that");
  }
  const access = settings.get("postscreen_access_list");
  if (access.value !== "" && access.value !== "permit_mynetworks") {
    draft.leave(
      access.from,
      `postscreen_access_list = ${access.value.slice(0, 60)}`,
      "ban.list for who is refused, early_talker.networks for who is not asked",
    );
  }
}
