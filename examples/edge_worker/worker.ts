/**
 * A worker for Cloudflare's Email Routing: checks signatures and the author's domain, weighs the content, asks a rule of
 * our own, and forwards what passes to a verified address.
 */
import { defineMessagePlugin, reject } from "postern";
import { dohResolver, edgeHost, forwardTo } from "postern/edge";
import { dkim } from "postern/plugins/identity/dkim/mod.ts";
import { dmarc } from "postern/plugins/identity/dmarc/mod.ts";
import { headers } from "postern/plugins/content/headers/mod.ts";
import { spamScore } from "postern/plugins/content/spam_score/mod.ts";
import { z } from "zod";

/** What the platform's settings give the worker. */
interface Env {
  /** Where accepted mail goes: an address that the platform has verified. */
  readonly FORWARD_TO: string;
  /** A name server that answers over HTTPS. */
  readonly DNS: string;
}

/** No mail with a subject in capitals. */
const no_shouting = defineMessagePlugin({
  name: "no_shouting",
  options: z.strictObject({ letters: z.number().int().default(12) }),
  create: ({ letters }) => ({
    data(ctx, next) {
      const subject = ctx.message.header("Subject") ?? "";
      const loud = subject.length >= letters && subject === subject.toUpperCase() && /[A-Z]/.test(subject);
      return loud ? reject("5.7.1", "Please do not shout") : next();
    },
  }),
});

export default edgeHost<Env>((env) => ({
  host: { name: "edge.example.org", domains: ["example.org"] },
  plugins: [
    dkim(),
    dmarc({ reject: "reject", temperror: "defer", unknownPeer: "fail" }),
    headers(),
    no_shouting(),
    spamScore({ bayes: { enabled: false } }),
  ],
  dns: dohResolver({ servers: [env.DNS] }),
  deliver: forwardTo(env.FORWARD_TO),
}));
