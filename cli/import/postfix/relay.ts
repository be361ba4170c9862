/**
 * Who may send to foreign domains: mynetworks, logins and relay_domains, as far as the restriction lists of the service
 * on port 25 let them. Where a list leaves the relay open, or cannot be read, it is closed here.
 * Non-job: all other restrictions (restrictions.ts).
 */
import { openNetworks } from "../../../plugins/access/relay/world.ts";
import type { Origin } from "../draft.ts";
import { networkIn } from "../network.ts";
import { SourceError } from "../sources.ts";
import { logicalLines, wordsOf } from "./lines.ts";
import type { Setting, Settings } from "./settings.ts";
import type { Site } from "./site.ts";
import { readTable } from "./tables.ts";

/** What a list lets out before it closes. */
interface Authority {
  readonly networks: boolean;
  readonly logins: boolean;
  /** Strangers are kept from foreign domains by it. */
  readonly closed: boolean;
}

const CLOSES = new Set(["reject_unauth_destination", "defer_unauth_destination", "reject", "defer"]);

function authorityOf(words: readonly string[]): Authority {
  let networks = false, logins = false;
  for (const word of words) {
    if (word === "permit_mynetworks") networks = true;
    else if (word === "permit_sasl_authenticated") logins = true;
    else if (word === "permit") return { networks: true, logins: true, closed: false };
    else if (CLOSES.has(word)) return { networks, logins, closed: true };
  }
  return { networks, logins, closed: false };
}

/** `settings`: as the service for the world has them. `relayed`: domains that anybody may send to. */
export async function readRelay(
  site: Site,
  { settings, relayed }: { settings: Settings; relayed: ReadonlyMap<string, Origin> },
): Promise<void> {
  const { draft } = site;
  const lists = ["smtpd_relay_restrictions", "smtpd_recipient_restrictions"].map((name) => settings.get(name));
  const said = lists.map(({ value }) => authorityOf(wordsOf(value)));
  const closing = said.filter(({ closed }) => closed);
  const from = (lists.find(({ value }) => value !== "") ?? lists[0]!).from;
  const plugin = draft.plugin("relay", from);
  if (closing.length === 0) {
    draft.leave(
      from,
      "smtpd_relay_restrictions",
      "nothing in it keeps strangers from foreign domains: Postfix would be an open relay, and this server is not",
    );
  }
  // A login may send anywhere where some service says so
  const services = site.services.filter(({ type, command }) => type === "inet" && command === "smtpd");
  const all = [settings, ...services.map(({ overrides }) => site.settings.with(overrides))];
  const logins = all.some((each) => lists.some(({ name }) => authorityOf(each.list(name)).logins));
  if (!logins) plugin.set("authenticated", false, from);
  const networks = settings.get("mynetworks");
  if (closing.length > 0 && closing.every((each) => each.networks)) {
    const list = await networkList(site, networks);
    if (list.length > 0) plugin.set("networks", list, networks.from);
  }
  const domains = [...relayed.keys()].filter((name) => name.replace(/^\*\./, "").includes("."));
  for (const [name, at] of relayed) {
    if (!domains.includes(name)) {
      draft.leave(at, `relay_domains: ${name}`, "this would let strangers send to a whole top-level domain");
    }
  }
  if (domains.length > 0) plugin.set("domains", domains, settings.get("relay_domains").from);
}

/** mynetworks, without what would be the world. */
async function networkList(site: Site, setting: Setting): Promise<string[]> {
  const { draft } = site;
  if (setting.value === "") {
    const style = site.settings.get("mynetworks_style");
    if (style.value !== "host") {
      draft.leave(
        style.from,
        `mynetworks_style = ${style.value}`,
        "only this machine may send anywhere: name networks in relay",
      );
    }
    return ["127.0.0.0/8", "::1"];
  }
  const found: string[] = [];
  const take = (text: string, from: Origin) => {
    const network = networkIn(text);
    if (network === null) draft.leave(from, `mynetworks: ${text.slice(0, 60)}`, "this is no network");
    else if (openNetworks([network]).length > 0) {
      draft.leave(from, `mynetworks: ${text}`, "this lets half the world send anywhere: name your own networks");
    } else found.push(network);
  };
  let excluded = false;
  for (const word of wordsOf(setting.value)) {
    if (word.startsWith("!")) {
      excluded = true;
      draft.leave(
        setting.from,
        `mynetworks: ${word}`,
        "nothing can be taken out of a network: name its parts; only what stands before is taken",
      );
    } else if (excluded) {
      draft.leave(setting.from, `mynetworks: ${word}`, "it stands behind an exception: name what is left of it");
    } else if (/^(?:\/|[a-z]+:[^:])/.test(word) && !/^[0-9a-f]+:/i.test(word) || word.startsWith("/")) {
      for (const { key, from } of await keysOf(site, word, setting)) take(key, from);
    } else take(word, setting.from);
  }
  return [...new Set(found)];
}

async function keysOf(site: Site, word: string, setting: Setting): Promise<{ key: string; from: Origin }[]> {
  const leave = (why: string) =>
    void site.draft.leave(setting.from, `${setting.name}: ${word}`, `${why}: name its networks`);
  if (!word.startsWith("/")) {
    const table = await readTable(word, { sources: site.sources, from: setting.from });
    if (table.kind === "entries") return [...table.entries];
    // Of a cidr: table whatever has no word against it
    if (table.kind === "ordered" && table.type === "cidr") {
      if (table.entries.some(({ key, value }) => key.startsWith("!") || /^(?:if|endif)\b/i.test(key) || value === "")) {
        leave("its rules are more than a list");
        return [];
      }
      return [...table.entries];
    }
    leave(table.kind === "none" ? table.why : "it holds patterns");
    return [];
  }
  try {
    const { name, text } = await site.sources.read(word);
    return logicalLines(text).flatMap(({ number, text: line }) =>
      wordsOf(line).map((key) => ({ key, from: { file: name, line: number } }))
    );
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    leave(error.message);
    return [];
  }
}
