/**
 * What looks at content, changes addresses or copies mail: milters, canonical and generic maps, copies, checks by
 * patterns, filters; and TLS towards other hosts. Non-job: who gets the mail (mailboxes.ts).
 */
import { MOST_PAIRS, type Value } from "../draft.ts";
import { nameIn } from "../book.ts";
import { completed, type Domains, type Site, tablesOf } from "./site.ts";

export async function readContent(site: Site, domains: Domains): Promise<void> {
  readMilters(site);
  await readMaps(site, domains);
  await readCopies(site);
  readChecks(site);
  await readOutboundTls(site);
}

function readMilters({ settings, draft }: Site): void {
  const setting = settings.get("smtpd_milters"), action = settings.get("milter_default_action");
  settings.list("smtpd_milters").forEach((word, index) => {
    const [first = ""] = word.replace(/^\{|\}$/g, "").trim().split(/[,\s]+/);
    const inet = /^inet6?:\[?([^\]]{1,255}?)\]?:(\d{1,5})$/.exec(first), unix = /^(?:unix|local):(\S+)$/.exec(first);
    const connect = inet !== null
      ? `tcp://${inet[1]!.includes(":") ? `[${inet[1]}]` : inet[1]}:${inet[2]}`
      : unix === null
      ? null
      : `unix://${unix[1]!.startsWith("/") ? unix[1] : `${settings.text("queue_directory")}/${unix[1]}`}`;
    if (connect === null) return draft.leave(setting.from, `smtpd_milters: ${first}`, "write milter: { connect: ... }");
    const milter = draft.plugin("milter", setting.from, index === 0 ? null : `milter_${index + 1}`);
    milter.set("connect", connect, setting.from);
    if (action.value === "accept") milter.set("unavailable", "skip", action.from);
  });
  if (!["accept", "tempfail"].includes(action.value)) {
    draft.leave(
      action.from,
      `milter_default_action = ${action.value}`,
      "a milter that does not answer makes mail wait (451)",
    );
  }
  const others = settings.get("non_smtpd_milters");
  if (others.value !== "") {
    draft.idles(others.from, "non_smtpd_milters", "mail by postern sendmail comes through a listener like all other");
  }
}

async function readMaps(site: Site, domains: Domains): Promise<void> {
  const { settings, draft } = site;
  for (
    const [name, key] of [
      ["canonical_maps", "both"],
      ["sender_canonical_maps", "sender"],
      ["recipient_canonical_maps", "recipient"],
      ["smtp_generic_maps", "generic"],
    ] as const
  ) {
    const setting = settings.get(name);
    for (const { name: word, table } of await tablesOf(site, setting)) {
      if (table.kind !== "entries" || table.entries.length > MOST_PAIRS) {
        draft.leave(setting.from, `${name}: ${word}`, "write its pairs under address_map");
        continue;
      }
      const pairs = new Map<string, string>();
      for (const { key: address, value, from } of table.entries) {
        const old = address.includes("@") ? nameIn(address) : nameIn(address) === null ? null : `${address}@`;
        const target = value.startsWith("@") ? nameIn(value) : completed(value, domains.origin);
        if (old === null || target === null || value.includes(",")) {
          draft.leave(from, address.slice(0, 60), "this is no pair of addresses");
        } else if (!pairs.has(old)) pairs.set(old, target);
      }
      if (pairs.size === 0) continue;
      const map = draft.plugin("address_map", setting.from);
      if (key === "generic") map.set("generic", pairs, setting.from);
      else {
        const table = map.table("canonical", setting.from, key);
        for (const [old, target] of pairs) if (!table.has(old)) table.set(old, target);
      }
    }
  }
  const masquerade = settings.get("masquerade_domains"),
    names = settings.list("masquerade_domains").map((each) => each.replace(/^\$/, ""));
  if (names.some((each) => each.startsWith("!"))) {
    draft.leave(masquerade.from, `masquerade_domains = ${masquerade.value}`, "write address_map.masquerade");
  } else if (names.length > 0) {
    const value: Record<string, Value> = { domains: names }, except = settings.list("masquerade_exceptions");
    if (except.length > 0) value.except = except;
    draft.plugin("address_map", masquerade.from).set("masquerade", value, masquerade.from);
  }
}

async function readCopies(site: Site): Promise<void> {
  const { settings, draft } = site;
  for (const [name, option] of [["sender_bcc_maps", "senders"], ["recipient_bcc_maps", "recipients"]] as const) {
    const setting = settings.get(name);
    for (const { name: word, table } of await tablesOf(site, setting)) {
      if (table.kind !== "entries" || table.entries.length > 20) {
        draft.leave(setting.from, `${name}: ${word}`, "write archive plugins, each with `as`, or a plugin with copyTo");
        continue;
      }
      table.entries.forEach(({ key, value, from }, index) => {
        if (nameIn(key) === null || !key.includes("@") || !value.includes("@")) {
          return draft.leave(from, key.slice(0, 60), "write archive");
        }
        draft.plugin("archive", from, `${option}_copy_${index + 1}`).set("to", value, from).set(
          "direction",
          "both",
          from,
        ).set(option, [key], from);
      });
    }
  }
}

/** What nothing here does as it stands. */
const OTHERS: Readonly<Record<string, string>> = {
  header_checks:
    "patterns over header fields: rules of spam_score (`header`, `matches`, points), headers, or a plugin of your own",
  mime_header_checks: "patterns over MIME fields: attachments, or rules of spam_score (`in: filename`, `in: type`)",
  nested_header_checks: "patterns over nested header fields: a plugin of your own",
  body_checks: "patterns over the body: rules of spam_score (`in: text`), which read what a person sees",
  smtp_header_checks: "patterns over what goes out: a plugin with a `deliver` handler",
  content_filter: "a filter behind the queue: milter, rspamd, spamassassin and clamav are asked before the 250",
  smtpd_proxy_filter:
    "a filter in front of the queue: milter, rspamd, spamassassin and clamav are asked before the 250",
  smtp_fallback_relay: "a second next hop: write it behind the first in nextHops.NAME.hosts",
  sender_dependent_default_transport_maps: "write delivery.routes with `sender`",
  mailbox_command: "a program for each mailbox: LMTP to Dovecot does what procmail and deliver did",
  mailbox_command_maps: "a program for each mailbox: LMTP to Dovecot does what procmail and deliver did",
  smtpd_command_filter: "nothing changes what a client says: a plugin may refuse it",
  smtpd_etrn_restrictions: "there is no ETRN",
  debug_peer_list: "recordings.networks writes down the sessions of these clients",
  smtpd_discard_ehlo_keywords: "write listeners[].ehlo.hide",
  smtpd_restriction_classes: "classes of restrictions: `when` and `unless` beside a plugin, or a plugin of your own",
  authorized_submit_users: "who may use postern sendmail: permissions of its folder (docs/sendmail.md)",
};

function readChecks({ settings, draft }: Site): void {
  for (const [name, instead] of Object.entries(OTHERS)) {
    const { value, from, isDefault } = settings.get(name);
    if (!isDefault && value !== "") draft.leave(from, `${name} = ${value.slice(0, 60)}`, instead);
  }
}

const LEVELS: Readonly<Record<string, string>> = {
  none: "none",
  may: "may",
  encrypt: "encrypt",
  verify: "secure",
  secure: "secure",
  dane: "dane",
  "dane-only": "dane-only",
};

const levelOf = (word: string) => Object.hasOwn(LEVELS, word) ? LEVELS[word] : undefined;

async function readOutboundTls(site: Site): Promise<void> {
  const { settings, draft } = site;
  const maps = settings.get("smtp_tls_policy_maps");
  for (const { name, table } of await tablesOf(site, maps)) {
    if (table.kind !== "entries") {
      draft.leave(maps.from, `smtp_tls_policy_maps: ${name}`, "write delivery.tls.rules");
      continue;
    }
    for (const { key, value, from } of table.entries) {
      const [level = "", ...attributes] = value.split(/\s+/), ours = levelOf(level);
      const domain = key.replace(/^\[(.*)\](?::\w+)?$/, "$1").replace(/:\w+$/, "");
      if (ours === undefined || nameIn(`@${domain.replace(/^\./, "")}`) === null) {
        draft.leave(from, `${key} ${value}`.slice(0, 80), "write delivery.tls.rules");
        continue;
      }
      if (attributes.length > 0) {
        draft.leave(from, `${key}: ${attributes.join(" ")}`.slice(0, 80), "write names of delivery.tls.rules.NAME");
      }
      draft.rules.set(domain.startsWith(".") ? `*${domain}` : domain, { value: ours, from });
    }
  }
  const level = settings.get("smtp_tls_security_level"), ours = levelOf(level.value);
  if (level.value === "") return;
  if (ours === undefined) {
    draft.leave(level.from, `smtp_tls_security_level = ${level.value}`, "write delivery.tls.rules");
  } else if (ours !== "may") draft.rules.set("*", { value: ours, from: level.from });
}
