/**
 * Who has a mailbox says name service: a TXT record at LOCAL.ZONE, "store=NAME" in it for another storage plugin than the
 * usual one. Names that are no label of a domain name nobody has.
 */
import { defer, definePlugin, type DnsError, reject } from "postern";
import { z } from "zod";

export default definePlugin({
  name: "dns_recipients",
  options: z.strictObject({
    domain: z.string().describe("Whose addresses these are; all others are left to others."),
    zone: z.string().describe("Where the records are, such as mailboxes.example.org."),
    store: z.string().default("maildir").describe("The storage plugin of a mailbox whose record names none."),
    stores: z.array(z.string()).default([]).describe("Those that records may name besides."),
  }),
  create({ domain, zone, store, stores }, setup) {
    setup.routesTo([store, ...stores]);
    return {
      async rcpt(ctx, next) {
        const { local, domain: of } = ctx.recipient.address;
        if (of !== domain) return next();
        if (!/^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/i.test(local)) return reject("5.1.1", "No such user here");
        try {
          const [record = ""] = await ctx.dns.txt(`${local.toLowerCase()}.${zone}`, { signal: ctx.signal });
          const [, named = store] = /(?:^|\s)store=(\S+)/.exec(record) ?? [];
          if (named !== store && !stores.includes(named)) throw new Error(`there is no store ${named}`);
          ctx.note(`Its record says ${JSON.stringify(record)}`);
          ctx.route({ to: "local", plugin: named });
          return next();
        } catch (error) {
          if ((error as DnsError).temporary) return defer("4.4.3", "Cannot look it up now", { reason: `${error}` });
          if ((error as Error).name !== "DnsError") throw error; // a mistake of ours is 451, never a 550
          return reject("5.1.1", "No such user here", { reason: `${error}` });
        }
      },
    };
  },
});
