/** The stage for commands that play sessions without a server: `postern replay`, `postern try`. */
import { hash } from "node:crypto";
import type { Config } from "../core/config/config.ts";
import { useSha256 } from "../core/dkim/mod.ts";
import type { Resolver } from "../core/dns/resolver.ts";
import { enginesOf } from "../core/engines.ts";
import { Stage } from "../core/replay/stage.ts";

/** @param options.dns asked what is not recorded; null: nobody is */
export function dryStage(
  config: Config,
  options: { readonly dns: Resolver | null; readonly scanners: boolean },
): Stage {
  useSha256((octets) => new Uint8Array(hash("sha256", octets, "buffer"))); // signatures are hashed as the server does it
  return new Stage({
    config,
    engines: (listener, now) => enginesOf(listener, { config, now, crowded: () => false }),
    ...options,
  });
}
