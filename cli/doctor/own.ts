/** What the configuration says of this host: its name, keys and certificates, the addresses that its mail comes from. */
import { networkInterfaces } from "node:os";
import type { Config } from "../../core/config/config.ts";
import type { SigningKey } from "../../core/dkim/mod.ts";
import { canonicalIp } from "../../core/model/ip.ts";
import { certificatesIn, PairError, readPem } from "../../core/net/tls/pair.ts";
import { signingKeys } from "../dkim.ts";
import { CommandError, type Terminal } from "../terminal.ts";
import { isPublic } from "./mx.ts";
import type { Own, OwnCertificate } from "./patient.ts";

export interface OwnSite {
  readonly own: Own;
  readonly keys: readonly SigningKey[];
  /** Canonical, what the world can reach. */
  readonly addresses: readonly string[];
  /** Name servers of the configuration. */
  readonly dns: Config["dns"];
}

/** @throws {CommandError} where the configuration cannot be used, {ConfigError} as loadConfig. */
export async function readOwn(file: string, terminal: Terminal): Promise<OwnSite> {
  const { keys, config } = await signingKeys(file, terminal);
  if (config === null) throw new CommandError(`${file}: something is wrong in it; postern check says what`);
  const certificates: OwnCertificate[] = [];
  for (const { cert } of config.tls?.certificates ?? []) {
    try {
      const chain = certificatesIn(await readPem(cert), cert).map(({ certificate }) => certificate.octets);
      certificates.push({ file: cert, chain });
    } catch (error) {
      if (!(error instanceof PairError)) throw error;
      terminal.err(`warning: ${error.message}`);
    }
  }
  return {
    own: { hostname: config.hostname, domains: config.domains, certificates },
    keys,
    addresses: addressesOf(config),
    dns: config.dns,
  };
}

/** Those that deliveries are bound to; else every address of this machine that the world can reach. */
function addressesOf({ delivery, listeners }: Config): readonly string[] {
  const bound = Object.values(delivery.source);
  const listening = listeners.flatMap(({ address }) => "path" in address ? [] : [address.host]);
  const machine = Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? []);
  const all = bound.length > 0 ? bound : [...listening, ...machine];
  return [...new Set(all.map(canonicalIp).filter((each) => each !== null && isPublic(each)))] as string[];
}
