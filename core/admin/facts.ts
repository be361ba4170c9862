/**
 * What the site is told of a configuration at work: its plugins by listener, its certificates, its settings. Values made
 * from values; the composition root calls these. Non-job: showing them (ui/server/).
 */
import type { Config } from "../config/config.ts";
import { describeDelivery } from "../config/delivery/describe.ts";
import { describe, describePlugins } from "../config/describe.ts";
import { resolverOptions } from "../dns/system_resolver.ts";
import type { CertificateInfo } from "../net/tls/certificates.ts";
import type { CertificateFacts, ConfigurationFacts, ListenerPlugins } from "./options.ts";

/** As `postern check` prints them. */
export function listenerPlugins({ listeners }: Config): readonly ListenerPlugins[] {
  return listeners.map((listener) => ({ listener: listener.name, plugins: describePlugins(listener) }));
}

/** Every listener with TLS shows whichever certificate the client's question picks. */
export function certificateFacts(
  { listeners }: Config,
  certificates: readonly CertificateInfo[],
): readonly CertificateFacts[] {
  const names = listeners.filter(({ tls }) => tls !== "off").map(({ name }) => name);
  return certificates.map((each) => ({ ...each, listeners: names }));
}

export function configurationFacts(config: Config): ConfigurationFacts {
  const { file, readAt, settings, warnings, dns } = config;
  const summary = [...describe(config), "", ...describeDelivery(config, resolverOptions(dns ?? {}))];
  return { file, readAt, settings, warnings, summary };
}
