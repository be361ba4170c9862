/**
 * What programs of this machine must know of a configuration to hand in mail: names, folders, doors. Read without making
 * a plugin and without the secrets that a plugin may want, since whoever sends mail here may read neither keys nor
 * accounts. Non-job: whether the configuration is right (load.ts): what is asked for here is.
 */
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { canonicalDomain, DomainSet } from "../model/domain.ts";
import { canonicalIp, Networks } from "../model/ip.ts";
import { type AdminConfig, isLocal, type ListenerConfig } from "./config.ts";
import { DEFAULT_FILE, DEV_INBOX } from "./defaults.ts";
import { YamlFile } from "./document.ts";
import { type Environment, variable } from "./environment.ts";
import * as schema from "./schema.ts";
import { parseTcp } from "./values.ts";

/** A listener that mail can be handed in at without a login and without TLS. */
export type Door = Pick<ListenerConfig, "name" | "role" | "address">;

/** The server as a program of this machine sees it. */
export interface LocalSite {
  /** The server's name. */
  readonly hostname: string;
  /** What addresses without a domain are of. */
  readonly origin: string;
  /** The data folder, absolute. */
  readonly data: string;
  /** Where mail waits for a server that does not run; null where nothing survives anyway. */
  readonly maildrop: string | null;
  /** Where mail is handed in; null where every listener wants a login or TLS. */
  readonly door: Door | null;
  /** The largest message, octets. */
  readonly messageSize: number;
  /** For `mailq`: the site and its token. */
  readonly admin: Pick<AdminConfig, "address" | "token"> | null;
}

/** Why it cannot be known. */
export class LocalSiteError extends Error {
  override readonly name = "LocalSiteError";
}

const Parts = z.looseObject({
  hostname: schema.File.shape.hostname,
  data: schema.File.shape.data,
  domains: schema.File.shape.domains,
  listeners: schema.File.shape.listeners,
  store: schema.File.shape.store,
  limits: z.looseObject({ messageSize: schema.Limits.shape.messageSize }).prefault({}),
});

/**
 * Reads it as `loadConfig` finds it: `file`, else POSTERN_CONFIG, else ./postern.yaml, else the dev inbox.
 *
 * @throws {LocalSiteError} in one line.
 */
export async function localSite(
  options: { readonly file?: string; readonly env: Environment; readonly cwd: string },
): Promise<LocalSite> {
  const { env, cwd } = options;
  const there = () => Deno.stat(resolve(cwd, DEFAULT_FILE)).then(({ isFile }) => isFile, () => false);
  const name = options.file ?? variable(env, "POSTERN_CONFIG") ?? (await there() ? DEFAULT_FILE : null);
  const file = name === null ? null : resolve(cwd, name);
  const raw = file === null ? DEV_INBOX : await read(file, env);
  const parts = Parts.safeParse(raw);
  if (!parts.success) {
    const [issue] = parts.error.issues;
    throw new LocalSiteError(`${name}: ${issue!.path.join(".")}: ${issue!.message}; postern check tells more`);
  }
  const { hostname, domains, listeners, store, limits } = parts.data;
  const named = variable(env, "POSTERN_DATA");
  const data = named === null ? resolve(file === null ? cwd : dirname(file), parts.data.data) : resolve(cwd, named);
  const { admin } = raw as { admin?: unknown };
  return {
    hostname,
    origin: originOf(hostname, domains),
    data,
    maildrop: store === "memory" ? null : maildropOf(data),
    door: doorOf(listeners.map((each) => security(each, raw, { file, env }))),
    messageSize: limits.messageSize,
    admin: adminOf(admin, env),
  };
}

/** Where the server looks for mail that was left while it did not run. */
export function maildropOf(data: string): string {
  return join(data, "maildrop");
}

/** The domain of addresses that have none: this host's where it takes mail, else the first domain that is ours. */
export function originOf(hostname: string, domains: readonly string[]): string {
  if (DomainSet.of(domains).has(hostname)) return hostname;
  return domains.find((each) => canonicalDomain(each) !== null) ?? hostname;
}

type Guarded = Pick<ListenerConfig, "name" | "role" | "address" | "tls" | "requireAuth" | "proxy">;

/** The listener for programs of this machine: nobody there logs in, speaks TLS or sends a PROXY header. Null: none. */
export function doorOf(listeners: readonly Guarded[]): Door | null {
  const rank = ({ role, address }: Guarded) => (role === "submission" ? 0 : 2) + (isLocal(address) ? 0 : 1);
  const open = listeners.filter(isOpen).toSorted((a, b) => rank(a) - rank(b));
  return open[0] ?? null;
}

function isOpen({ role, tls, requireAuth, proxy, address }: Guarded): boolean {
  const reachable = "path" in address || address.host === "localhost" || canonicalIp(address.host) !== null;
  const plain = tls === "off" || tls === "offer", proxied = new Networks(proxy);
  return role !== "lmtp" && !requireAuth && plain && reachable && !proxied.has("127.0.0.1") && !proxied.has("::1");
}

async function read(file: string, env: Environment): Promise<object> {
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    throw new LocalSiteError(`${file}: ${error instanceof Error ? error.message : error}`);
  }
  const yaml = new YamlFile(file, text, env);
  if (yaml.broken) throw new LocalSiteError(`${file}: ${yaml.issues[0]?.message}`);
  const value = yaml.value ?? {};
  if (typeof value !== "object" || Array.isArray(value)) throw new LocalSiteError(`${file}: is no configuration`);
  return value;
}

/** As core/config/security.ts has it. */
function security(
  listener: z.output<typeof schema.Listener>,
  raw: object,
  { file, env }: { readonly file: string | null; readonly env: Environment },
): Guarded {
  const { role, auth, proxy } = listener, certificates = file === null || "tls" in raw;
  const moved = role === "mx" ? parseTcp(variable(env, "POSTERN_SMTP") ?? "") : null;
  const at = "path" in listener.address && file !== null
    ? { path: resolve(dirname(file), listener.address.path) }
    : listener.address;
  return {
    name: listener.name ?? "",
    role,
    address: moved ?? at,
    tls: listener.tls ?? (role === "submission" ? "require" : certificates && role === "mx" ? "offer" : "off"),
    requireAuth: auth.required ?? role === "submission",
    proxy,
  };
}

function adminOf(written: unknown, env: Environment): LocalSite["admin"] {
  const moved = parseTcp(variable(env, "POSTERN_ADMIN") ?? "");
  if (written === undefined && moved === null) return null;
  const read = schema.Admin.safeParse(written ?? {});
  const address = moved ?? (read.success ? read.data.address : null);
  if (address === null) return null;
  return { address, token: variable(env, "POSTERN_ADMIN_TOKEN") ?? (read.success ? read.data.token ?? null : null) };
}
