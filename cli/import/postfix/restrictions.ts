/**
 * Restriction lists of smtpd(8), one restriction after the other, as options of the plugins that do the same.
 * Non-job: who may send to foreign domains (relay.ts).
 */
import type { Draft, Origin } from "../draft.ts";
import { networkIn } from "../network.ts";
import type { Settings } from "./settings.ts";
import type { Site } from "./site.ts";
import { readTable } from "./tables.ts";

const LISTS = ["client", "helo", "sender", "relay", "recipient", "data", "end_of_data", "etrn"] as const;

interface Found {
  readonly draft: Draft;
  readonly from: Origin;
  /** What stands behind the word, such as the zone of a list. */
  readonly argument: string;
}
type Taking = (found: Found) => void;

const built = (): void => {};
const plugin = (name: string, options: Readonly<Record<string, string | boolean>>): Taking => ({ draft, from }) => {
  const made = draft.plugin(name, from);
  for (const [option, value] of Object.entries(options)) made.set(option, value, from);
};
const idle = (why: string): Taking => ({ draft, from, argument }) => draft.idles(from, argument, why);

/** What a word means. Those that are not here are told to a person. */
const WORDS: Readonly<Record<string, Taking>> = {
  permit_mynetworks: built, // relay.ts
  permit_sasl_authenticated: built,
  reject_unauth_destination: built,
  defer_unauth_destination: built,
  permit_auth_destination: built,
  permit: built,
  reject_unauth_pipelining: built, // the engine does it: listeners[].forbidEarlyTalk
  reject_unlisted_recipient: built, // recipients does it
  reject_non_fqdn_recipient: built, // such a name is in no table
  reject_unknown_recipient_domain: plugin("null_mx", {}),
  reject_invalid_helo_hostname: plugin("helo", { invalid: "reject" }),
  reject_invalid_hostname: plugin("helo", { invalid: "reject" }),
  reject_non_fqdn_helo_hostname: plugin("helo", { dot: "reject", ip: "reject" }),
  reject_non_fqdn_hostname: plugin("helo", { dot: "reject", ip: "reject" }),
  reject_unknown_helo_hostname: plugin("helo", { unresolved: "reject" }),
  reject_unknown_hostname: plugin("helo", { unresolved: "reject" }),
  reject_unknown_client_hostname: plugin("fcrdns", { none: "reject", fail: "reject" }),
  reject_unknown_client: plugin("fcrdns", { none: "reject", fail: "reject" }),
  reject_unknown_reverse_client_hostname: plugin("fcrdns", { none: "reject" }),
  reject_unverified_recipient: plugin("verify_recipient", {}),
  reject_sender_login_mismatch: plugin("sender_login", {}),
  reject_authenticated_sender_login_mismatch: plugin("sender_login", {}),
  reject_known_sender_login_mismatch: plugin("sender_login", {}),
  reject_multi_recipient_bounce: idle("bounces to several recipients are taken"),
};

/** Words that name a list in DNS, or a table, or a service behind them. */
const WITH_ARGUMENT =
  /^(?:check_|reject_rbl_client|reject_rhsbl_|permit_dnswl_client|permit_rhswl_client|sleep$|reject_maps_rbl_domain)/;

export async function readRestrictions(site: Site, settings: Settings): Promise<void> {
  for (const list of LISTS) {
    const setting = settings.get(`smtpd_${list}_restrictions`);
    const words = settings.list(setting.name);
    let only = false; // warn_if_reject in front
    for (let at = 0; at < words.length; at++) {
      const word = words[at]!.replace(/^\{|\}$/g, "").trim();
      if (word === "warn_if_reject") {
        only = true;
        continue;
      }
      const argument = WITH_ARGUMENT.test(word) ? words[++at] ?? "" : "";
      const found = { draft: site.draft, from: setting.from, argument };
      const what = `${setting.name}: ${only ? "warn_if_reject " : ""}${word}${argument === "" ? "" : ` ${argument}`}`;
      if (only) {
        site.draft.leave(
          setting.from,
          what,
          "a plugin with `mode: observe` is asked, told in the log and refuses nobody",
        );
      } else if (word === "reject" || word === "defer") {
        if (at === 0 && ["client", "helo", "sender"].includes(list)) {
          site.draft.leave(setting.from, what, "nobody could send mail: this was not taken over");
        }
      } else if (Object.hasOwn(WORDS, word)) WORDS[word]!({ ...found, argument: what });
      else if (word === "check_client_access" && await takeClients(site, found)) continue;
      else if (!takeList(word, found)) site.draft.leave(setting.from, what, adviceFor(word, argument));
      only = false;
    }
  }
  if (site.draft.plugins.some(({ name }) => name === "sender_login")) await readLoginMaps(site, settings);
}

/** Lists in DNS: `zone`, `zone=127.0.0.2`, `zone=127.0.0.[2..11;3]`. */
function takeList(word: string, { draft, from, argument }: Found): boolean {
  const [zone = "", codes] = argument.split("=");
  if (!/^[a-z0-9_][a-z0-9_.-]{0,250}$/i.test(zone)) return false;
  const lists = draft.plugins.find(({ name }) => name === "dnsbl") ??
    (/^(?:reject_r|permit_d)/.test(word) ? draft.plugin("dnsbl", from) : null);
  if (lists === null) return false;
  const read = codes === undefined ? null : codesOf(codes);
  if (codes !== undefined && read === null) return false;
  const entry = (weight: number) => read === null ? weight : { weight, codes: read };
  switch (word) {
    case "reject_rbl_client":
    case "reject_maps_rbl_domain":
      lists.put("zones", zone, entry(5), from);
      return true;
    case "permit_dnswl_client":
      lists.put("allow", zone, entry(5), from);
      return true;
    case "reject_rhsbl_sender":
      lists.put("domains", zone, { weight: 5, of: ["sender"], ...read === null ? {} : { codes: read } }, from);
      return true;
    case "reject_rhsbl_helo":
      lists.put("domains", zone, { weight: 5, of: ["helo"], ...read === null ? {} : { codes: read } }, from);
      return true;
    default:
      return false;
  }
}

/** `127.0.0.[2;4..11]` as `127.0.0.2`, `127.0.0.4-11`. */
function codesOf(text: string): string[] | null {
  const found = /^127\.0\.(\d{1,3})\.(?:(\d{1,3})|\[([\d;.]{1,200})\])$/.exec(text);
  if (found === null) return null;
  const [, third, one, several] = found;
  if (one !== undefined) return [`127.0.${third}.${one}`];
  const ranges = several!.split(";").map((each) => each.replace("..", "-"));
  return ranges.every((each) => /^\d{1,3}(?:-\d{1,3})?$/.test(each))
    ? ranges.map((each) => `127.0.${third}.${each}`)
    : null;
}

/** A table of clients that does nothing but refuse addresses is a list for `ban`. */
async function takeClients(site: Site, { draft, from, argument }: Found): Promise<boolean> {
  const table = await readTable(argument, { sources: site.sources, from });
  if (table.kind !== "entries" && !(table.kind === "ordered" && table.type === "cidr")) return false;
  const networks = table.entries.map(({ key }) => networkIn(key.replace(/\.$/, "")));
  const refuses = table.entries.every(({ value }) => /^(?:REJECT|5\d\d)\b/i.test(value));
  if (!refuses || networks.includes(null) || networks.length === 0) return false;
  const ban = draft.plugin("ban", from), before = ban.options.get("list")?.value as string[] | undefined;
  ban.options.set("list", { value: [...before ?? [], ...networks as string[]], from });
  return true;
}

/** smtpd_sender_login_maps has who may use an address; the plugin what a login may use. */
async function readLoginMaps(site: Site, settings: Settings): Promise<void> {
  const setting = settings.get("smtpd_sender_login_maps");
  const map = new Map<string, string[]>();
  for (const name of settings.list("smtpd_sender_login_maps")) {
    const table = await readTable(name, { sources: site.sources, from: setting.from });
    if (table.kind !== "entries" || table.entries.length > 5000) {
      site.draft.leave(
        setting.from,
        `smtpd_sender_login_maps: ${name}`,
        "write its pairs under sender_login.map; until then a login sends as itself",
      );
      continue;
    }
    for (const { key, value } of table.entries) {
      for (const login of value.split(/[,\s]+/)) {
        if (login === "" || !key.includes("@")) continue;
        const known = map.get(login);
        if (known === undefined) map.set(login, [key]);
        else known.push(key);
      }
    }
  }
  if (map.size > 0) site.draft.plugin("sender_login", setting.from).set("map", map, setting.from);
}

function adviceFor(word: string, argument: string): string {
  if (word === "check_policy_service") {
    if (/greyd?|:10023/.test(argument)) return "the plugin greylist does what a greylisting service does";
    if (/spf/.test(argument)) return "the plugin spf, with fail: reject, does what an SPF service does";
    return "a policy service: write it as a plugin that asks in `rcpt` (docs/from-postfix.md)";
  }
  if (/^check_\w+_access$/.test(word)) {
    return "an access table: a plugin of ten lines (docs/from-postfix.md#access-tables)";
  }
  if (word === "reject_unknown_sender_domain" || word === "reject_non_fqdn_sender") {
    return "spf and dmarc say more about a sender's domain; or a plugin of five lines (docs/from-postfix.md#access-tables)";
  }
  if (word === "reject_unverified_sender") return "hosts are not asked about senders: it makes others refuse your mail";
  if (word === "permit_mx_backup") return "name the domains in relay.domains: by MX alone anybody makes you a backup";
  if (/^permit_/.test(word)) return "this lets more through; it was left out, so that less is let through";
  return "there is no such word here: a plugin may do it (docs/plugins.md)";
}
