/**
 * What each plugin of Haraka's list is here: a plugin with its options, something the server does by itself, or a line
 * for the person. Non-job: domains and relaying (import.ts), where mail goes (queues.ts), logins (logins.ts).
 */
import type { Draft, Origin, Value } from "../draft.ts";
import { nameIn } from "../book.ts";
import type { Config } from "./ini.ts";
import { takeAccounts } from "./logins.ts";
import { takeQueue } from "./queues.ts";
import { objectIn } from "./objects.ts";

export interface Haraka {
  readonly draft: Draft;
  readonly config: Config;
  /** Domains that mail is taken for, all names of them. */
  readonly domains: Map<string, Origin>;
  /** The list, and where each stands. */
  readonly plugins: ReadonlyMap<string, Origin>;
}

type Taking = (haraka: Haraka, from: Origin) => void | Promise<void>;

const named = (name: string, options: Readonly<Record<string, Value>> = {}): Taking => ({ draft }, from) => {
  const plugin = draft.plugin(name, from);
  for (const [key, value] of Object.entries(options)) plugin.set(key, value, from);
};
const leave = (instead: string): Taking => ({ draft }, from) => draft.leave(from, "this plugin", instead);
const idle = (why: string): Taking => ({ draft }, from) => draft.idles(from, "this plugin", why);
const done: Taking = () => {};

const TAKEN: Readonly<Record<string, Taking>> = {
  "access": leave(
    "lists of who may and may not: ban.list for addresses, else a plugin of ten lines (docs/from-haraka.md)",
  ),
  "aliases": takeAliases,
  "asn": leave("geoip with a database of AS numbers, which you name"),
  "attachment": takeAttachments,
  "auth/auth_bridge": leave("logins asked of another SMTP server: http_auth, ldap_auth or dovecot_auth"),
  "auth/auth_proxy": leave("logins asked of another SMTP server: http_auth, ldap_auth or dovecot_auth"),
  "auth/auth_vpopmaild": leave("logins asked of vpopmaild: http_auth, ldap_auth or dovecot_auth"),
  "auth/flat_file": takeAccounts,
  "block_me": leave("spam_trap and postern train spam do what it is for"),
  "bounce": named("bounce"),
  "clamd": takeClamd,
  "data.signatures": leave("rules of spam_score (`in: text`), with points"),
  "dcc": leave("there is no DCC: spamassassin and rspamd can ask it"),
  "delay_deny": idle("refusals wait for RCPT by themselves: listeners[].delayRefusals"),
  "dkim": takeDkim,
  "dns-list": takeLists,
  "early_talker": takeEarlyTalker,
  "fcrdns": takeFcrdns,
  "geoip": leave("geoip, with databases that you name"),
  "greylist": named("greylist"),
  "headers": named("headers"),
  "helo.checks": takeHelo,
  "karma": named("reputation"),
  "known-senders": leave("reputation knows senders; whom your users write to it does not"),
  "limit": takeLimit,
  "mail_from.is_resolvable": leave(
    "spf, dmarc and null_mx look at the sender's domain; or a plugin of five lines (docs/from-haraka.md)",
  ),
  "messagesniffer": leave("there is no Message Sniffer: spamassassin can ask it"),
  "prevent_credential_leaks": leave("a plugin with a `data` handler: it knows ctx.client.identity, and no password"),
  "process_title": idle("postern top and /metrics show what it showed"),
  "profile": idle("DENO_FLAGS and the metrics do"),
  "qmail-deliverable": leave("verify_recipient asks the host behind; or recipients with a file of names"),
  "rcpt_to.in_host_list": done,
  "record_envelope_addresses": leave("a plugin of five lines with prependHeader; mind Bcc"),
  "redis": idle("counters are in the store of the server"),
  "relay": done,
  "reseed_rng": idle("random numbers come from the system"),
  "rspamd": takeRspamd,
  "spamassassin": takeSpamassassin,
  "spf": takeSpf,
  "status": idle("postern top, /metrics and the site show it"),
  "syslog": idle("the log goes to standard output, which systemd takes"),
  "tarpit": named("tarpit"),
  "tls": done,
  "toobusy": idle("limits.connections and back-pressure are always on"),
  "uribl": leave("uribl: name the lists under `zones`, with points"),
  "watch": idle("the site shows sessions as they happen"),
  "xclient": done,
};

/** Names that plugins had before, which lists of years ago still have. */
const RENAMED: ReadonlyMap<string, string> = new Map([
  ["connect.asn", "asn"],
  ["connect.fcrdns", "fcrdns"],
  ["connect.geoip", "geoip"],
  ["connect.rdns_access", "access"],
  ["data.headers", "headers"],
  ["data.uribl", "uribl"],
  ["dnsbl", "dns-list"],
  ["log.syslog", "syslog"],
  ["mail_from.access", "access"],
  ["rcpt_to.access", "access"],
  ["rcpt_to.qmail_deliverable", "qmail-deliverable"],
]);

export async function takePlugin(haraka: Haraka, name: string, from: Origin): Promise<void> {
  const before = haraka.draft.left.length, now = RENAMED.get(name) ?? name;
  if (name.startsWith("queue/")) await takeQueue(haraka, name.slice(6), from);
  else if (Object.hasOwn(TAKEN, now)) await TAKEN[now]!(haraka, from);
  else {haraka.draft.leave(
      from,
      name.slice(0, 60),
      "a plugin of your own: docs/from-haraka.md has each hook and what it is here",
    );}
  // "this plugin" by its name
  const { left } = haraka.draft;
  for (let at = before; at < left.length; at++) {
    if (left[at]!.what === "this plugin") left[at] = { ...left[at]!, what: name };
  }
}

async function takeAliases({ draft, config, domains }: Haraka, from: Origin): Promise<void> {
  const path = await config.sources.exists(config.path("aliases.json")) ? "aliases.json" : "aliases";
  const file = await config.sources.find(config.path(path));
  const table = file === null ? {} : objectIn(file.text);
  const at = { file: file?.name ?? path, line: 0 };
  if (table === null) return draft.leave(at, path, "this is no JSON object");
  const recipient = new Map<string, string>();
  for (const [key, value] of Object.entries(table)) {
    const { action, to } = typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
    const one = Array.isArray(to) && to.length === 1 ? to[0] : to;
    if (action !== "alias" || typeof one !== "string" || nameIn(one) === null || nameIn(key) === null) {
      const instead = action === "drop"
        ? "discard, with `when`, or a route to: discard"
        : "one name that becomes several: write a plugin with expand";
      draft.leave(at, key.slice(0, 60), instead);
      continue;
    }
    const olds = key.includes("@") ? [key] : [...domains.keys()].map((domain) => `${key}@${domain}`);
    for (const old of olds) {
      recipient.set(
        nameIn(old)!,
        one.includes("@") ? nameIn(one)! : `${one}@${old.slice(old.lastIndexOf("@") + 1)}`,
      );
    }
  }
  if (recipient.size > 0) draft.plugin("address_map", from).set("canonical", { recipient }, at);
}

async function takeAttachments({ draft, config }: Haraka, from: Origin): Promise<void> {
  draft.plugin("attachments", from);
  const list = (await config.ini("attachment.ini")).get("disallowed_extensions");
  if (list !== null) {
    draft.leave(
      list.from,
      "disallowed_extensions",
      "attachments refuses programs by what they are; more names: its options",
    );
  }
}

async function takeClamd({ draft, config }: Haraka, from: Origin): Promise<void> {
  const socket = (await config.ini("clamd.ini")).get("clamd_socket");
  const clamav = draft.plugin("clamav", from);
  if (socket !== null) clamav.set("servers", socket.value.split(/[\s,]+/).map(serverOf), socket.from);
}

async function takeSpamassassin({ draft, config }: Haraka, from: Origin): Promise<void> {
  const ini = await config.ini("spamassassin.ini");
  const socket = ini.get("spamd_socket"), reject = ini.get("reject_threshold"), size = ini.get("max_size");
  const plugin = draft.plugin("spamassassin", from);
  if (socket !== null) plugin.set("servers", [serverOf(socket.value)], socket.from);
  if (reject !== null && /^\d{1,3}(?:\.\d+)?$/.test(reject.value)) {
    plugin.set("reject", Number(reject.value), reject.from);
  }
  if (size !== null && /^[1-9]\d{0,9}$/.test(size.value)) plugin.set("maxSize", `${size.value}B`, size.from);
}

async function takeRspamd({ draft, config }: Haraka, from: Origin): Promise<void> {
  const ini = await config.ini("rspamd.ini");
  const host = ini.get("host"), port = ini.get("port");
  const plugin = draft.plugin("rspamd", from);
  if (host !== null || port !== null) {
    plugin.set("servers", [`http://${host?.value ?? "127.0.0.1"}:${port?.value ?? "11333"}`], (host ?? port)!.from);
  }
}

/** `host:port` or a path. */
function serverOf(text: string): string {
  return text.startsWith("/") ? `unix://${text}` : `tcp://${text.includes(":") ? text : `${text}:3310`}`;
}

async function takeDkim({ draft, config }: Haraka, from: Origin): Promise<void> {
  const ini = await config.ini("dkim.ini");
  if (ini.is("enabled", "verify") !== false) draft.plugin("dkim", from);
  if (ini.is("enabled", "sign") !== true) return;
  const keys: Value[] = [];
  for (const domain of await config.sources.list(config.path("dkim"))) {
    const folder = config.path(`dkim/${domain}`);
    const selector = await config.value(`dkim/${domain}/selector`);
    if (selector === null || !await config.sources.exists(`${folder}/private`)) continue;
    keys.push({ domain, selector: selector.value, key: config.sources.locate(`${folder}/private`) });
  }
  const at = ini.get("enabled", "sign")!.from;
  if (keys.length > 0) draft.plugin("dkim_sign", from).set("keys", keys, at);
  else draft.leave(at, "[sign] enabled = true", "no key was found in config/dkim: dkim_sign with your keys");
}

async function takeLists({ draft, config }: Haraka, from: Origin): Promise<void> {
  const ini = await config.ini("dns-list.ini");
  const zones = [...ini.all("zones"), ...await config.list("dnsbl.zones")].flatMap(({ value, from }) =>
    value.split(/[\s,;]+/).map((zone) => ({ zone, from }))
  );
  for (const { zone, from: at } of zones) {
    if (!/^[a-z0-9_][a-z0-9_.-]{0,250}$/i.test(zone)) draft.leave(at, zone.slice(0, 60), "this is no zone");
    else if (ini.get("type", zone)?.value === "allow" || /dnswl/.test(zone)) {
      draft.plugin("dnsbl", from).put("allow", zone, 5, at);
    } else draft.plugin("dnsbl", from).put("zones", zone, ini.is("reject", zone) === false ? 1 : 5, at);
  }
  if (zones.length === 0) {
    draft.leave(from, "this plugin", "it names no zones: dnsbl, with lists that serve your name servers");
  }
}

async function takeEarlyTalker({ draft, config }: Haraka, from: Origin): Promise<void> {
  const ini = await config.ini("early_talker.ini"), pause = ini.get("pause");
  const plugin = draft.plugin("early_talker", from);
  if (pause !== null && /^[1-9]\d?$/.test(pause.value)) {
    plugin.set("pause", `${Math.min(60, Number(pause.value))}s`, pause.from);
  }
  if (ini.is("reject") === false) plugin.set("action", "mark", ini.get("reject")!.from);
}

async function takeFcrdns({ draft, config }: Haraka, from: Origin): Promise<void> {
  const ini = await config.ini("fcrdns.ini"), plugin = draft.plugin("fcrdns", from);
  if (ini.is("no_rdns", "reject")) plugin.set("none", "reject", ini.get("no_rdns", "reject")!.from);
  if (ini.is("no_fcrdns", "reject")) plugin.set("fail", "reject", ini.get("no_fcrdns", "reject")!.from);
}

/** Names of helo.checks and of ours. */
const HELO: Readonly<Record<string, string>> = {
  valid_hostname: "invalid",
  bare_ip: "ip",
  literal_mismatch: "literal",
  host_mismatch: "mismatch",
  no_dot: "dot",
};

async function takeHelo({ draft, config }: Haraka, from: Origin): Promise<void> {
  const ini = await config.ini("helo.checks.ini"), plugin = draft.plugin("helo", from);
  for (const [theirs, ours] of Object.entries(HELO)) {
    // By RFC 5321 4.1.4 nobody is refused for a name that is another host's
    if (ini.is(theirs, "reject") === true && ours !== "mismatch") {
      plugin.set(ours, "reject", ini.get(theirs, "reject")!.from);
    }
  }
}

async function takeLimit({ draft, config }: Haraka, from: Origin): Promise<void> {
  const ini = await config.ini("limit.ini");
  const most = ini.get("max", "concurrency") ?? ini.get("default", "concurrency");
  if (most !== null && /^[1-9]\d{0,5}$/.test(most.value)) {
    draft.set("limits.connectionsPerIp", Number(most.value), most.from);
  }
  for (const [section, option] of [["rate_conn", "connectionsPerIp"], ["rate_rcpt_host", "recipientsPerIp"]] as const) {
    const entry = ini.get("default", section);
    if (ini.is("enabled", section) !== true || entry === null) continue;
    const found = /^([1-9]\d{0,8})(?:\/(\d{0,6})([smhd]?))?$/.exec(entry.value);
    if (found === null) draft.leave(entry.from, `${section}: ${entry.value}`, `write rate_limit.${option}`);
    else {draft.plugin("rate_limit", from).set(
        option,
        `${found[1]}/${found[2] || (found[3] ? "1" : "60")}${found[3] || "s"}`,
        entry.from,
      );}
  }
  for (
    const section of [
      "recipients",
      "errors",
      "unrecognized_commands",
      "rate_rcpt",
      "rate_rcpt_sender",
      "rate_rcpt_null",
      "outbound",
    ]
  ) {
    if (ini.is("enabled", section) === true) {
      draft.leave(
        ini.get("enabled", section)!.from,
        `limit: ${section}`,
        "limits, rate_limit, account_guard and delivery.rates have the like",
      );
    }
  }
}

async function takeSpf({ draft, config }: Haraka, from: Origin): Promise<void> {
  const ini = await config.ini("spf.ini"), plugin = draft.plugin("spf", from);
  for (
    const [theirs, ours] of [["mfrom_fail", "fail"], ["mfrom_softfail", "softfail"], [
      "mfrom_permerror",
      "permerror",
    ]] as const
  ) {
    if (ini.is(theirs, "deny") === true) plugin.set(ours, "reject", ini.get(theirs, "deny")!.from);
  }
  if (ini.is("mfrom_temperror", "defer") === true) {
    plugin.set("temperror", "defer", ini.get("mfrom_temperror", "defer")!.from);
  }
}
