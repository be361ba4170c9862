/**
 * A folder of Haraka (config/plugins and the files of those plugins) as a draft of ours. Haraka's recipients are mostly
 * those of another host, so its domains are relayed to that host. Non-job: plugin by plugin (plugins.ts).
 */
import { canonicalDomain } from "../../../core/pipeline/mod.ts";
import { Draft } from "../draft.ts";
import { networkIn } from "../network.ts";
import { SourceError, type Sources } from "../sources.ts";
import { Config } from "./ini.ts";
import { readListeners } from "./listeners.ts";
import { objectIn } from "./objects.ts";
import { type Haraka, takePlugin } from "./plugins.ts";

/** @throws {SourceError} when there is no list of plugins */
export async function importHaraka(sources: Sources): Promise<Draft> {
  const folder = await sources.exists("config/plugins") ? "config" : "";
  const config = new Config(sources, folder);
  if (!await sources.exists(config.path("plugins"))) {
    throw new SourceError("config/plugins is not there: this is no folder of Haraka");
  }
  const draft = new Draft();
  const me = await config.value("me");
  const unknown = { file: "Haraka's default", line: 0 };
  draft.set("hostname", canonicalDomain(me?.value ?? "") ?? "localhost", me?.from ?? unknown);
  if (me === null) draft.leave(unknown, "config/me", "the name of this host: write `hostname`");
  const plugins = new Map((await config.list("plugins")).map(({ value, from }) => [value, from] as const));
  const haraka: Haraka = { draft, config, domains: new Map(), plugins };
  for (const { value, from } of await config.list("host_list")) {
    const domain = canonicalDomain(value);
    if (domain === null) draft.leave(from, value.slice(0, 60), "this is no domain");
    else if (haraka.plugins.has("rcpt_to.in_host_list")) haraka.domains.set(domain, from);
    else draft.idles(from, value, "rcpt_to.in_host_list is not in the list of plugins");
  }
  for (const { value, from } of await config.list("host_list_regex")) {
    draft.leave(
      from,
      value.slice(0, 60),
      "a pattern of domains: name them in relay.domains, `*.name` is all below a name",
    );
  }
  await readListeners(haraka);
  for (const [name, from] of haraka.plugins) await takePlugin(haraka, name, from);
  await readRelay(haraka);
  await readConnection(haraka);
  const postmaster = haraka.domains.entries().next().value;
  if (postmaster !== undefined) {
    draft.set("postmaster", `postmaster@${postmaster[0]}`, postmaster[1]);
    draft.plugin("recipients", postmaster[1]).set("accounts", [], postmaster[1]);
  } else draft.leave(unknown, "postmaster", "there is no domain whose postmaster could be asked: write `postmaster`");
  return draft;
}

/** Who may send to foreign domains. */
async function readRelay({ draft, config, domains, plugins }: Haraka): Promise<void> {
  const from = plugins.get("relay") ?? domains.values().next().value ?? { file: "config/plugins", line: 0 };
  const relay = draft.plugin("relay", from);
  const ini = plugins.has("relay") ? await config.ini("relay.ini") : null;
  const on = (name: string) => ini?.is(name, "relay") ?? ini?.is(name) ?? null;
  if (on("all") === true) {
    draft.leave(
      ini!.get("all", "relay")!.from,
      "relay.ini: all = true",
      "this is an open relay: it was not taken over",
    );
  }
  if (ini !== null && on("acl") !== false) {
    const networks: string[] = [];
    for (const each of await config.list("relay_acl_allow")) {
      const network = networkIn(each.value);
      if (network === null) {
        draft.leave(each.from, each.value.slice(0, 60), "this is no network that may send anywhere");
      } else networks.push(network);
    }
    if (networks.length > 0) relay.set("networks", networks, from);
  }
  if (ini !== null && (on("dest_domains") === true || on("force_routing") === true)) {
    const listed = await config.ini("relay_dest_domains.ini");
    const allowed = new Set<string>();
    for (const [domain, [entry]] of listed.sections.get("domains") ?? []) {
      const read = objectIn(entry!.value), name = canonicalDomain(domain);
      if (read === null || name === null) {
        draft.leave(entry!.from, domain.slice(0, 60), "this is no entry of a domain");
        continue;
      }
      if (read.action === "accept" || read.action === "continue") allowed.add(name);
      if (on("dest_domains") === true && read.action === "accept") domains.set(name, entry!.from);
      if (
        on("force_routing") === true && typeof read.nexthop === "string" && /^[\w.[\]:-]{1,255}$/.test(read.nexthop)
      ) {
        const hop = draft.hop(read.nexthop, { hosts: [`smtp://${read.nexthop}`] }, entry!.from);
        draft.routes.unshift({ value: { domain: name, to: "remote", via: hop }, from: entry!.from });
      }
    }
    // With dest_domains a stranger may write to no other domain, whatever host_list says
    if (on("dest_domains") === true) {
      for (const name of [...domains.keys()]) if (!allowed.has(name)) domains.delete(name);
    }
  }
  if (domains.size > 0) relay.set("domains", [...domains.keys()], from);
}

/** connection.ini and the older files of one value. */
async function readConnection({ draft, config }: Haraka): Promise<void> {
  const ini = await config.ini("connection.ini");
  const number = (value: string) => /^[1-9]\d{0,12}$/.test(value) ? Number(value) : null;
  const bytes = ini.get("bytes", "max") ?? await config.value("databytes");
  if (bytes !== null) {
    const value = number(bytes.value);
    if (value === null) draft.leave(bytes.from, `bytes = ${bytes.value}`, "write limits.messageSize");
    else draft.set("limits.messageSize", `${value}B`, bytes.from);
  }
  const received = ini.get("max_received", "headers");
  if (received !== null && number(received.value) !== null) {
    draft.set("limits.received", number(received.value), received.from);
  }
  const idle = (await config.ini("smtp.ini")).get("inactivity_timeout");
  if (idle !== null && number(idle.value) !== null) {
    draft.set("limits.idleTimeout", `${number(idle.value)}s`, idle.from);
  }
  for (
    const [section, name] of [["max", "line_length"], ["max", "data_line_length"], ["max", "mime_parts"], [
      "headers",
      "max_lines",
    ]] as const
  ) {
    const entry = ini.get(name, section);
    if (entry !== null) {
      draft.idles(
        entry.from,
        `${section}.${name}`,
        "the engine has bounds of its own: limits of docs/configuration.md",
      );
    }
  }
  const outbound = await config.ini("outbound.ini");
  const most = outbound.get("concurrency_max"),
    family = outbound.get("inet_prefer"),
    intervals = outbound.get("temp_fail_intervals");
  if (most !== null && number(most.value) !== null) draft.set("delivery.connections", number(most.value), most.from);
  if (family !== null && /^v[46]$/.test(family.value)) {
    draft.set("delivery.preferFamily", `ip${family.value}`, family.from);
  }
  if (outbound.is("disabled") === true) {
    draft.leave(outbound.get("disabled")!.from, "disabled = true", "postern queue suspend holds what goes out");
  }
  if (outbound.is("enable_tls") === false) {
    draft.rules.set("*", { value: "none", from: outbound.get("enable_tls")!.from });
  }
  if (intervals !== null) {
    const waits = retryOf(intervals.value);
    if (waits === null) draft.leave(intervals.from, "temp_fail_intervals", "write delivery.retry");
    else draft.set("delivery.retry", waits, intervals.from);
  }
}

/** `1m, 5m*2, 1h` as a list. */
function retryOf(text: string): string[] | null {
  const waits: string[] = [];
  for (const word of text.split(",").map((each) => each.trim())) {
    const found = /^(\d{1,6})([smhd]?)(?:\*(\d{1,2}))?$/.exec(word);
    if (found === null) return null;
    for (let count = Number(found[3] ?? 1); count > 0 && waits.length < 50; count--) {
      waits.push(`${found[1]}${found[2] || "s"}`);
    }
  }
  return waits.length === 0 ? null : waits;
}
