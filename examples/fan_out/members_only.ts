/** An address that only one's own may write to: from an own network, or logged in. Without it everybody could. */
import { definePlugin, isNetwork, Networks, parseAddressPattern, reject } from "postern";
import { z } from "zod";

export default definePlugin({
  name: "members_only",
  options: z.strictObject({
    address: z.string().refine((text) => parseAddressPattern(text) !== null, "is no address"),
    networks: z.array(z.string().refine(isNetwork, "is no network")).default([]),
  }),
  create({ address, networks }) {
    const isList = parseAddressPattern(address, "+")!, own = new Networks(networks);
    return {
      rcpt(ctx, next) {
        if (!isList(ctx.recipient.address)) return next(); // all+news@ is all@ too
        return ctx.client.identity !== null || own.has(ctx.client.ip) ? next() : reject("5.7.1", "For members only");
      },
    };
  },
});
