/**
 * For the dev inbox: takes every user with every password, so that an application's settings need no change. Only from
 * this machine unless networks are named, and such a login opens no relay: `relay` knows it by the key UNPROVEN, and a
 * configuration that has both in one list is refused (core/config).
 */
import { z } from "zod";
import { definePlugin, isLoopback, isNetwork, Networks, type PluginFactory } from "../../../core/pipeline/mod.ts";
import { isUserName } from "../user_name.ts";
import { vouch } from "../vouch.ts";
import { UNPROVEN } from "./key.ts";

export { UNPROVEN } from "./key.ts";

const network = z.string().refine(isNetwork, {
  error: (issue) => `"${issue.input}" is no IP address or network like 192.0.2.0/24`,
});

const Options = z.strictObject({
  networks: z.array(network).default([]).describe("Peers besides this machine that may log in as anybody"),
});

/**
 * Vouches for everybody, for development only.
 *
 * @example
 * ```ts
 * import { any_login } from "./mod.ts";
 * const plugin = any_login();
 * ```
 */
export const any_login: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "any_login",
  options: Options,
  roles: ["mx", "submission"], // the dev inbox has one listener, for all
  create(options, setup) {
    const networks = new Networks(options.networks);
    if (options.networks.length > 0) {
      setup.trouble(`takes every password from ${options.networks.join(", ")}; that is for development only`);
    }
    setup.mechanisms(["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]);

    return {
      auth(ctx, next) {
        const { client, credentials } = ctx;
        // What tells no password or token cannot be taken at its word: SCRAM and EXTERNAL have a proof to check
        if (client.identity !== null || credentials.reveal() === null) return next();
        if (!isLoopback(client.ip) && !networks.has(client.ip)) return next();
        vouch(ctx, isUserName(credentials.user) ? credentials.user : "anybody");
        ctx.set(UNPROVEN, true);
        return next();
      },
    };
  },
});
