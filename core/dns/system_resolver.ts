/** The resolver of this host: its servers, asked by our own stub, behind one cache. What core/server.ts hands around. */
import { readFileSync } from "node:fs";
import { Cache, type CacheOptions } from "./cache.ts";
import { NameResolver } from "./name_resolver.ts";
import { parseResolvConf } from "./resolv_conf.ts";
import { Stub, type StubOptions } from "./stub.ts";

/** A resolver with a cache of its own, see `resolverOptions`. Make one per thread. */
export function systemResolver(
  options: Partial<StubOptions> = {},
  cache: Pick<CacheOptions, "told"> = {},
): NameResolver {
  return new NameResolver(new Cache(new Stub(resolverOptions(options)), cache));
}

/** What /etc/resolv.conf says, and `options` over it. With servers of its own nothing there is about them. */
export function resolverOptions(options: Partial<StubOptions>): StubOptions {
  const { servers } = options;
  return servers === undefined ? { ...hostOptions(), ...options } : { ...options, servers };
}

function hostOptions(): StubOptions {
  let text = "";
  try {
    text = readFileSync("/etc/resolv.conf", "utf8");
  } catch (error) { // no such file: a server on this host, as resolv.conf(5) says
    if ((error as { code?: string }).code !== "ENOENT") throw error; // not allowed to know is not the same
  }
  return parseResolvConf(text);
}
