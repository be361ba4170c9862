/**
 * The server as a part of another program, or of its tests: read a configuration, start it, stop it.
 *
 * @example A dev inbox on free ports that keeps nothing, with a plugin before its own
 * ```ts
 * import { on, reject } from "postern";
 * import { loadConfig, startServer } from "postern/server";
 * import { assertEquals } from "@std/assert";
 *
 * const closed = on("mail", () => reject("5.7.1", "Closed today"), { name: "closed" });
 * const env = { POSTERN_SMTP: "127.0.0.1:0", POSTERN_ADMIN: "127.0.0.1:0" };
 * const config = await loadConfig({ file: null, env });
 * const listeners = config.listeners.map((each) => ({ ...each, plugins: [closed, ...each.plugins] }));
 *
 * const server = await startServer({ ...config, listeners, store: "memory" });
 * assertEquals(server.addresses.length, 1);
 * await server.stop();
 * ```
 *
 * @module
 */
export { openServer as createServer } from "./core/embedded/server.ts";
export type * from "./core/embedded/embedded.ts";
export { startServer } from "./core/server.ts";
export type { RunningServer, StartOptions } from "./core/server.ts";
export type { Reloaded } from "./core/reload.ts";
export { handedSockets } from "./core/net/handover.ts";
export type { HandedSocket } from "./core/net/handover.ts";
export { loadConfig } from "./core/config/load.ts";
export type { Environment } from "./core/config/environment.ts";
export type { AnyFactory, Registry } from "./core/config/registry.ts";
export type { LoadOptions } from "./core/config/load.ts";
export { sandboxed } from "./core/sandbox/sandboxed.ts";
export type { SandboxedOptions, SandboxLimits } from "./core/sandbox/sandboxed.ts";
export { ConfigError } from "./core/config/issue.ts";
export type { ConfigIssue } from "./core/config/issue.ts";
export type {
  AdminConfig,
  AuthConfig,
  Config,
  ConfigSource,
  DeliveryConfig,
  DeliveryTls,
  LedgerConfig,
  Limits,
  ListenerConfig,
  LogConfig,
  LogLevel,
  MetricsConfig,
  QuarantineConfig,
  RecordingsConfig,
  ReleaseConfig,
  StoreConfig,
  SummaryConfig,
  TcpAddress,
  TlsConfig,
  TlsReports,
  TracingConfig,
  UnixAddress,
} from "./core/config/config.ts";
export type { LockoutSettings } from "./core/auth/lockout.ts";
export type { HopAuth, HopHost, HopHttp, NextHop } from "./core/delivery/next_hop.ts";
export type { RouteRule } from "./core/delivery/route_rules.ts";
export type { SuspensionRule } from "./core/delivery/suspension.ts";
export type { TlsLevel, TlsRule } from "./core/delivery/tls/rules.ts";
export type { Server as NameServer } from "./core/dns/exchange.ts";
export type { HttpsServer } from "./core/dns/doh.ts";
export type { Family } from "./core/dns/host_addresses.ts";
export type { StubOptions } from "./core/dns/stub.ts";
export type { AccessToken, Scope as TokenScope } from "./core/config/tokens.ts";
export type { ReadSetting, SettingSource } from "./core/config/settings.ts";
export type { Hook, HookEvent } from "./core/webhooks/hook.ts";
