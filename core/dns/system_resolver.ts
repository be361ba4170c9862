/** The resolver of this host: its servers, asked by our own stub, behind one cache. What core/server.ts hands around. */
import { readFileSync } from "node:fs";
import { Cache } from "./cache.ts";
import { NameResolver } from "./name_resolver.ts";
import { parseResolvConf } from "./resolv_conf.ts";
import { Stub, type StubOptions } from "./stub.ts";

/** A resolver with a cache of its own; `options` replaces what /etc/resolv.conf says. Make one per thread. */
export function systemResolver(options: StubOptions = hostOptions()): NameResolver {
  return new NameResolver(new Cache(new Stub(options)));
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
