/**
 * How the engine of a listener is set for a peer: by who it is (a stranger, one of ours, a proxy), where it sits and how
 * full the house is. Non-job: who has a place (doors.ts), what is said (core/smtp).
 */
import type { Config, ListenerConfig } from "./config/config.ts";
import { isLoopback, Networks } from "./model/ip.ts";
import { Offer } from "./smtp/extensions.ts";
import type { ServerOptions } from "./smtp/server.ts";

export interface EnginesOptions {
  readonly config: Config;
  /** Milliseconds since 1970. */
  now(): number;
  /** Places run out, or time does: strangers find less patience. */
  crowded(): boolean;
}

/** The engine's settings for a peer: a few kinds, each made once. */
export function enginesOf(listener: ListenerConfig, options: EnginesOptions): (ip: string) => ServerOptions {
  const { config: { limits, hostname, devInbox, trustedNetworks }, now } = options;
  const trusted = new Networks(trustedNetworks), proxies = new Networks(listener.xclient);
  const made: ServerOptions[] = [];
  const make = (own: boolean, crowded: boolean, xclient: boolean, near: boolean): ServerOptions => ({
    hostname,
    now,
    lmtp: listener.role === "lmtp",
    offer: new Offer({
      size: limits.messageSize,
      recipients: limits.recipients,
      binarymime: listener.binarymime,
      hide: listener.ehloHide,
      startTls: listener.tls === "offer" || listener.tls === "require",
      mechanisms: listener.mechanisms,
      // The dev inbox takes logins of this machine alone, and no other program should send it a password in clear
      authWithoutTls: listener.authWithoutTls && (near || !devInbox),
      xclient,
      submission: listener.role === "submission",
    }),
    demands: { tls: listener.tls === "require", auth: listener.requireAuth },
    limits: {
      size: limits.messageSize,
      header: limits.headerBytes,
      line: limits.line ?? Infinity,
      command: limits.commandLine,
      recipients: limits.recipients,
      errors: crowded ? 0 : limits.errors, // whoever comes now has no second try  case 16
      junk: crowded ? Math.min(1, limits.junk) : limits.junk,
    },
    bareLf: own ? "normalize" : listener.bareLf,
    forbidEarlyTalk: !own && listener.forbidEarlyTalk,
    lenientPaths: listener.lenientPaths,
    vrfy: listener.vrfy,
    speakingFor: (ip) => choose(ip, xclient),
  });
  const choose = (ip: string, xclient: boolean): ServerOptions => {
    const own = trusted.has(ip), crowded = !own && options.crowded(), near = isLoopback(ip);
    const kind = (own ? 1 : 0) | (crowded ? 2 : 0) | (xclient ? 4 : 0) | (near ? 8 : 0);
    return made[kind] ??= make(own, crowded, xclient, near);
  };
  return (ip) => choose(ip, proxies.has(ip));
}
