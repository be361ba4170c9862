/** What works and is probably not meant. Non-job: what cannot work (load.ts). */
import { openNetworks } from "../../plugins/mod.ts";
import { formatHopHost, type HopHost } from "../delivery/next_hop.ts";
import { TlsRules } from "../delivery/tls/rules.ts";
import { isLoopback } from "../model/ip.ts";
import { leavesOf } from "../pipeline/compile.ts";
import type { Plugin } from "../pipeline/plugin.ts";
import { type Config, isLocal, type ListenerConfig } from "./config.ts";
import { routeWarnings } from "./delivery/read.ts";
import { storeWarnings } from "./store.ts";

/**
 * A sentence each.
 *
 * @param options.named the plugins that the lists name, whatever their instances are called
 */
export function warningsOf(config: Config, { named }: { readonly named: ReadonlySet<string> }): string[] {
  const warnings: string[] = [];
  const mx = config.listeners.filter((each) => each.role === "mx");
  const open = mx.filter((each) => !isLocal(each.address));
  // Who has no domain and hears this machine alone is no mail host
  if (
    mx.length > 0 && (config.domains.length > 0 || open.length > 0) && config.postmaster === null && !config.devInbox
  ) {
    warnings.push(
      "postmaster: nobody gets the mail for postmaster, which every mail host must take (RFC 5321 4.5.1); set postmaster: ADDRESS",
    );
  }
  for (const listener of config.listeners) {
    if (!leavesOf(listener.plugins, listener.role).some(({ plugin }) => plugin.handlers.rcpt)) {
      warnings.push(`listeners: ${listener.name} has no plugin that routes recipients, so all of them are refused`);
    }
  }
  const leaves = named.has("relay") || config.nextHops.size > 0;
  if (config.hostname === "localhost" && (open.length > 0 || leaves) && !config.devInbox) {
    warnings.push("hostname: is localhost; set the name that the world's DNS has for this host");
  }
  if (named.has("dmarc") && !named.has("dkim")) {
    warnings.push("dmarc: no failure can be known without signatures, so it stops nothing; put dkim before it");
  }
  if (named.has("feedback") && !named.has("bounce") && !named.has("verp")) {
    warnings.push(
      "feedback: believes no report about mail that bears no mark of ours; put bounce or verp into the list",
    );
  }
  for (const network of openNetworks(config.trustedNetworks)) {
    warnings.push(`relay: networks has ${network}: strangers may send anywhere through this host`);
  }
  for (const { name, role, plugins, address, authWithoutTls, mechanisms, tls, proxy, xclient } of config.listeners) {
    if (mechanisms.length > 0 && !config.devInbox && !binds(plugins, role)) {
      warnings.push(`listeners: ${name} takes logins, and whoever logs in may send as anybody: add sender_login`);
    }
    if (authWithoutTls && mechanisms.length > 0 && (tls === "off" || tls === "offer") && !isLocal(address)) {
      warnings.push(`listeners: ${name} takes logins in clear text, which anybody on the way can read`);
    }
    if (config.tls?.certificates.length === 0 && role === "submission" && !isLocal(address)) {
      warnings.push(
        `listeners: ${name} shows a certificate that only vouches for itself: mail programs will not trust it`,
      );
    }
    for (const network of openNetworks([...proxy, ...xclient])) {
      warnings.push(`listeners: ${name} believes everybody in ${network} who says to be somebody else`);
    }
  }
  warnings.push(...routeWarnings(config.delivery.routes, config.listeners), ...hopWarnings(config));
  if (config.devInbox && open.length > 0) {
    warnings.push("POSTERN_SMTP: the dev inbox takes any mail from other machines too");
  }
  warnings.push(...storeWarnings(config.store));
  return warnings;
}

/** Passwords and mail that others on the way can read. */
function hopWarnings({ nextHops, delivery }: Config): string[] {
  const warnings: string[] = [], rules = new TlsRules(delivery.tls.rules);
  for (const { name, hosts, auth } of nextHops.values()) {
    for (const host of hosts) {
      if (host.kind === "unix" || isHere(host)) continue;
      const place = formatHopHost(host);
      if (host.kind === "http") {
        if (host.url.startsWith("http:")) {
          warnings.push(`nextHops: ${name} posts to ${place} in clear, which anybody on the way can read`);
        }
      } else if (auth?.inClear) {
        warnings.push(`nextHops: ${name} tells its password to whoever answers for ${place}, in clear too`);
      } else if (auth !== null && !host.implicitTls && rules.of(host.host)?.level === "none") {
        warnings.push(
          `nextHops: ${name} has a password for ${place}, and delivery.tls.rules forbid the TLS to say it in`,
        );
      }
    }
  }
  return warnings;
}

/** Whether what goes there stays on this machine. */
function isHere(host: Exclude<HopHost, { readonly kind: "unix" }>): boolean {
  const name = host.kind === "smtp" ? host.host : new URL(host.url).hostname.replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || isLoopback(name);
}

/** Whether a plugin of the list holds senders to their logins. */
function binds(plugins: readonly Plugin[], role: ListenerConfig["role"]): boolean {
  return leavesOf(plugins, role).some(({ plugin, policy }) => plugin.bindsSender && policy.mode !== "observe");
}
