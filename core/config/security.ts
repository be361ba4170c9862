/**
 * What a listener asks of a peer before it takes mail, and what it can offer for it: TLS with its certificates, SASL
 * mechanisms by the plugins that check them. Non-job: reading certificates (core/net/tls), the mechanisms (core/smtp/sasl).
 */
import { resolve } from "node:path";
import type { z } from "zod";
import { MECHANISMS } from "../smtp/sasl/mod.ts";
import { leavesOf } from "../pipeline/compile.ts";
import type { Plugin } from "../pipeline/plugin.ts";
import type { ListenerConfig, TlsConfig } from "./config.ts";
import { possible, selectionOf } from "./entry.ts";
import type { Faults } from "./faults.ts";
import type { Path } from "./issue.ts";
import { didYouMean } from "./nearest.ts";
import type * as schema from "./schema.ts";

/** What a plugin checks that does not say. */
const USUAL = ["PLAIN", "LOGIN"] as const;

/** Paths resolved; null without certificates. An empty list: the server makes one for itself, as in the dev inbox. */
export function readTls(
  tls: z.output<typeof schema.Tls> | undefined,
  options: { readonly base: string; readonly devInbox: boolean },
): TlsConfig | null {
  if (tls === undefined && !options.devInbox) return null;
  const { certificates = [], minVersion = "1.2", clientCa } = tls ?? {};
  return {
    certificates: certificates.map(({ cert, key }) => ({
      cert: resolve(options.base, cert),
      key: resolve(options.base, key),
    })),
    minVersion: `TLSv${minVersion}`,
    clientCa: clientCa === undefined ? null : resolve(options.base, clientCa),
  };
}

type Written = Pick<z.output<typeof schema.Listener>, "role" | "tls" | "auth">;

/** What of a listener has to do with TLS and logins, defaults by its role (RFC 6409, RFC 8314). */
export function readSecurity(
  listener: Written,
  plugins: readonly Plugin[],
  options: {
    readonly tls: TlsConfig | null;
    readonly listener: Pick<ListenerConfig, "name" | "role">;
    readonly faults: Faults;
    readonly path: Path;
  },
): Pick<ListenerConfig, "tls" | "requireAuth" | "authWithoutTls" | "mechanisms"> {
  const { role, auth } = listener;
  const { faults, path } = options;
  const tls = listener.tls ??
    (role === "submission" ? "require" : options.tls !== null && role === "mx" ? "offer" : "off");
  if (tls !== "off" && options.tls === null) {
    const why = listener.tls === undefined ? "role submission needs TLS" : `"${tls}" needs a certificate`;
    const key = listener.tls === undefined ? "role" : "tls";
    faults.add([...path, key], `${why}: set tls: { certificates: [{ cert: FILE, key: FILE }] }, or tls: off here`);
  }
  const requireAuth = auth.required ?? role === "submission";
  const authWithoutTls = auth.withoutTls;
  const here = plugins.filter((each) => possible(selectionOf(each), options.listener));
  const asked = leavesOf(here, role).filter(({ plugin, policy }) => plugin.handlers.auth && policy.mode !== "observe");
  const checkable = new Set(asked.flatMap(({ plugin }) => plugin.mechanisms ?? USUAL));
  for (const [index, name] of (auth.mechanisms ?? []).entries()) {
    if (checkable.has(name)) continue;
    const others = [...checkable];
    const found = didYouMean(name, others) || (others.length > 0 ? `; here it is ${others.join(", ")}` : "");
    faults.add([...path, "auth", "mechanisms", index], `no plugin of this listener can check ${name}${found}`);
  }
  // A client that binds itself to TLS expects tls-exporter (RFC 9266), which not every runtime has: only where asked for
  const offered = [...MECHANISMS.values()].filter(({ name, needsBinding }) =>
    checkable.has(name) && (auth.mechanisms?.includes(name) ?? !needsBinding)
  );
  const mechanisms = offered.map(({ name }) => name);
  // A plugin whose options are bad stands here without handlers: its own faults are told, and it may be the one
  const unread = leavesOf(plugins, role).some(({ plugin }) => Object.keys(plugin.handlers).length === 0);
  if (requireAuth && checkable.size === 0 && !unread) {
    faults.add(path, "asks for a login and no plugin can check one: add accounts, or set auth: { required: false }");
  }
  if (mechanisms.length > 0 && tls === "off" && !authWithoutTls && (requireAuth || auth.mechanisms !== undefined)) {
    faults.add(path, "logins need TLS: set tls, or auth: { withoutTls: true } where nobody can listen in");
  }
  const byCertificate = offered.length > 0 && offered.every(({ needsCertificate }) => needsCertificate);
  if (requireAuth && byCertificate && options.tls !== null && options.tls.clientCa === null) {
    faults.add(
      path,
      "takes logins by certificate only (EXTERNAL), and nobody vouches for certificates: set tls.clientCa",
    );
  }
  return { tls, requireAuth, authWithoutTls, mechanisms };
}
