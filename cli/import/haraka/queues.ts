/**
 * Haraka's queue plugins: where mail goes that was taken, as next hops and routes. Non-job: whether it is taken.
 */
import { join } from "node:path";
import type { Origin, Value } from "../draft.ts";
import type { Ini } from "./ini.ts";
import type { Haraka } from "./plugins.ts";

const FORWARDS = new Set(["smtp_forward", "smtp_proxy", "smtp_bridge"]);
const OTHERS: Readonly<Record<string, string>> = {
  "discard": "it drops what another plugin marked: ctx.drop(recipient) does, and a route `to: discard` for a domain",
  "qmail-queue": "mail is kept in the queue of this server; a next hop leads to qmail's SMTP",
  "quarantine": "plugins hold mail for a person: postern quarantine",
  "deliver": "the server delivers by itself",
  "test": "maildir or inbox keep mail as files",
};

export async function takeQueue(haraka: Haraka, name: string, from: Origin): Promise<void> {
  const { draft, config, domains } = haraka;
  if (name === "lmtp") return await takeLmtp(haraka, from);
  if (!FORWARDS.has(name)) {
    return draft.leave(
      from,
      `queue/${name}`,
      (Object.hasOwn(OTHERS, name) ? OTHERS[name]! : null) ??
        "a plugin of your own: a storage plugin has a `queue` handler",
    );
  }
  const ini = await config.ini(`${name}.ini`);
  const all = [...domains.keys()];
  for (const [domain] of ini.sections) {
    if (domain === "main" || domain === "tls" || !all.includes(domain)) continue;
    route(haraka, { ini, section: domain, domains: [domain] }, from);
  }
  const rest = all.filter((each) => !ini.sections.has(each));
  if (rest.length > 0) route(haraka, { ini, section: "main", domains: rest }, from);
  if (ini.is("enable_outbound") === true) {
    const hop = hopOf(haraka, { ini, section: "main" }, from);
    if (hop !== null) draft.routes.push({ value: { to: "remote", via: hop }, from: ini.get("enable_outbound")!.from });
  }
}

function route(haraka: Haraka, at: { ini: Ini; section: string; domains: readonly string[] }, from: Origin): void {
  const hop = hopOf(haraka, at, from);
  if (hop === null) return;
  const domain = at.domains.length === 1 ? at.domains[0]! : [...at.domains];
  haraka.draft.routes.push({
    value: { domain, to: "remote", via: hop },
    from: at.ini.get("host", at.section)?.from ?? from,
  });
}

function hopOf({ draft }: Haraka, { ini, section }: { ini: Ini; section: string }, from: Origin): string | null {
  const host = ini.get("host", section), port = ini.get("port", section);
  const name = host?.value ?? "localhost";
  if (!/^[A-Za-z0-9.:_-]{1,255}$/.test(name) || port !== null && !/^\d{1,5}$/.test(port.value)) {
    draft.leave(host?.from ?? from, `host = ${name.slice(0, 60)}`, "this is no host: write nextHops");
    return null;
  }
  const url = `smtp://${name.includes(":") ? `[${name}]` : name}${port === null ? "" : `:${port.value}`}`;
  const user = ini.get("auth_user", section), password = ini.get("auth_pass", section);
  const login: Record<string, Value> = user === null || password === null
    ? {}
    : { auth: { user: user.value, password: password.value } };
  return draft.hop(name, { hosts: [url], ...login }, host?.from ?? from);
}

async function takeLmtp({ draft, config, domains }: Haraka, from: Origin): Promise<void> {
  const ini = await config.ini("lmtp.ini"), path = ini.get("path"), host = ini.get("host"), port = ini.get("port");
  const url = path !== null
    ? `lmtp+unix://${join("/", path.value)}`
    : `lmtp://${host?.value ?? "localhost"}:${port?.value ?? "24"}`;
  const at = (path ?? host ?? port)?.from ?? from;
  const hop = draft.hop("lmtp", { hosts: [url] }, at);
  if (domains.size > 0) draft.routes.push({ value: { domain: [...domains.keys()], to: "remote", via: hop }, from: at });
}
