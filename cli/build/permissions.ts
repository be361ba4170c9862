/**
 * The permissions that are baked into a binary, from what its configuration names, and why: flags of Deno. What is not
 * among them the program cannot do, whatever a plugin tries. Non-job: what a sandbox may do (core/sandbox).
 */
import { resolve } from "node:path";
import { isDatabaseUrl, parseDatabaseUrl } from "../../core/store/postgres/url.ts";
import type { Named } from "./named.ts";

export interface Permission {
  /** Such as `--allow-read=/etc/postern`. */
  readonly flag: string;
  /** What it is for, in a few words. */
  readonly why: string;
}
export interface PermissionOptions {
  /** The folder in which the configuration will stand where the binary runs; null: where it stands now. */
  readonly installed: string | null;
  /** More flags, as the operator gives them. */
  readonly more: readonly string[];
}

/** Plugins that speak to nobody over the network. */
const SILENT = new Set([
  ...["accounts", "any_login", "certificates", "chaos", "ban", "rate_limit", "geoip", "early_talker", "tarpit"],
  ...["account_guard", "sender_login", "address_map", "spam_trap", "recipients", "greylist", "headers", "submission"],
  ...["attachments", "rewrite", "spam_score", "maildir", "inbox", "discard"],
]);
/** Keys of the configuration that make it speak to others. */
const SPEAKING = ["webhooks", "summary", "tracing", "nextHops", "delivery"];
/** Where it listens unless the configuration says so. */
const DEFAULT = { listener: { address: "127.0.0.1:2525" }, admin: "127.0.0.1:8025" } as const;
const VARIABLES = [
  ...["POSTERN_*", "LISTEN_*", "NO_COLOR", "FORCE_COLOR", "TERM", "LOGNAME", "USER", "OTEL_DENO", "LOG_TOKENS"],
  ...["LOG_STREAM", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
];

/** As `deno task start` has them. */
const BROAD: readonly Permission[] = ["net", "read", "write", "env", "sys", "run=@{exe}"].map((name) => ({
  flag: `--allow-${name}`,
  why: "built without a configuration: as `deno task start`",
}));

/** The permissions of a binary that is built for `named`. */
export function permissionsFor(named: Named, { installed, more }: PermissionOptions): readonly Permission[] {
  const own = more.map((flag) => ({ flag, why: "asked for with --allow" }));
  if (named.file === null) return [...BROAD, ...own];
  const place = (path: string) =>
    installed !== null && (path === named.base || path.startsWith(`${named.base}/`))
      ? resolve(installed) + path.slice(named.base.length)
      : path;
  const base = place(named.base), data = place(resolve(named.base, textOf(named.value["data"]) ?? "./data"));
  const paths = [...named.paths, ...authorityOf(named), ...named.granted.read].map(place);
  // A lone slash is a word of another kind: whoever means the whole disk says --allow read=/
  const outside = paths.filter((each) => each !== "/" && !within(each, base) && !within(each, data));
  const written = [data, ...named.written.map(place).filter((each) => !within(each, data))];
  const run = named.isolated
    ? [{ flag: "--allow-run=@{exe}", why: "plugins in a process of their own are this same file" }]
    : [];
  return [
    ...networkOf(named, place),
    {
      flag: list("read", ["@{exe}", base, ...within(data, base) ? [] : [data], "/etc/resolv.conf", ...outside]),
      why: "itself, the folder of the configuration, the data, and the paths that it names",
    },
    { flag: list("write", written), why: "the data, sockets, and where plugins store" },
    {
      flag: list("env", [
        ...VARIABLES,
        ...databaseOf(named) === null ? [] : ["PG*"], // its client asks for them, whatever it is told
        ...named.variables,
        ...named.granted.env,
      ]),
      why: "its own variables, and those that the configuration names",
    },
    { flag: "--allow-sys=statfs,uid,hostname", why: "free space; whose mail a sendmail sends" },
    ...run,
    ...own,
  ];
}

/** Narrow only where nobody is spoken to: where mail for others goes is known from name service alone. */
function networkOf(named: Named, place: (path: string) => string): Permission[] {
  const speaker = [...named.builtIns ?? []].find((each) => !SILENT.has(each) && !onlyOfDevInbox(each, named)) ??
    named.own.find((each) => !each.sandboxed)?.name ?? SPEAKING.find((key) => named.value[key] !== undefined);
  if (speaker !== undefined) {
    return [{ flag: "--allow-net", why: `${speaker} speaks to hosts that are known only later` }];
  }
  const listeners = Array.isArray(named.value["listeners"]) ? named.value["listeners"] : [DEFAULT.listener];
  const { admin } = named.value as { admin?: { address?: unknown } | null };
  const written = [
    ...listeners.map((each) => each?.address),
    ...admin == null ? [] : [admin.address ?? DEFAULT.admin],
  ];
  // Deno asks for the net of a socket file too, and its lists of hosts have no way to write a comma
  const database = databaseOf(named);
  const addresses = [...written, ...database ?? []].map(textOf).map((each) =>
    each?.startsWith("unix:") ? `unix:${place(resolve(named.base, each.slice(5)))}` : each
  );
  if (addresses.some((each) => each === null || each.includes(","))) {
    return [{
      flag: "--allow-net",
      why: "an address comes from a variable, or is a socket file with a comma in its path",
    }];
  }
  // From any other machine a listener on all addresses is one address; commands reach the site through loopback
  const hosts = [...addresses as string[], ...named.granted.net];
  if (hosts.length === 0) return []; // `--allow-net=` is no flag
  const why = database === null
    ? "its listeners, its site, and what sandboxes may reach: nothing else in it speaks to others"
    : "its listeners, its site, its database, and what sandboxes may reach: nothing else in it speaks to others";
  return [{ flag: list("net", hosts), why }];
}

/** Where the database listens, by what `store` says; null in the list: a variable says it. Null: there is none. */
function databaseOf({ value }: Named): readonly (string | null)[] | null {
  const store = value["store"];
  if (typeof store !== "string") return null;
  if (!isDatabaseUrl(store)) return store.includes("${") ? [null] : null;
  const login = store.slice(0, store.lastIndexOf("@") + 1).replace(/\$\{[^{}]*\}/g, "x"); // a password is often one
  const place = login + store.slice(store.lastIndexOf("@") + 1);
  try {
    if (place.includes("${")) return [null];
    return parseDatabaseUrl(place.replace(/([?&])sslrootcert=[^&]*/, "$1")).hosts.map(({ host, port }) => {
      if (host.startsWith("/")) return `unix:${host}/.s.PGSQL.${port}`;
      return `${host.includes(":") ? `[${host}]` : host}:${port}`;
    });
  } catch {
    return [null]; // the configuration is bad, and a start will say so
  }
}

/** The file of who vouches for the database's certificate. */
function authorityOf({ value, base }: Named): string[] {
  const [, path] = /[?&]sslrootcert=([^&$%]+)/.exec(textOf(value["store"]) ?? "") ?? [];
  return path === undefined ? [] : [resolve(base, path)];
}

/** They are there for a start without a configuration, and do nothing in a start with one. */
function onlyOfDevInbox(name: string, { value }: Named): boolean {
  return ["spf", "dkim", "dmarc"].includes(name) && !JSON.stringify(value).includes(`"${name}"`);
}

function list(name: string, values: readonly string[]): string {
  const plain = [...new Set(values)].map((each) => each.replaceAll(",", ",,")); // Deno's way to write one
  return `--allow-${name}=${plain.join(",")}`;
}

function within(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && !value.includes("${") ? value : null;
}
