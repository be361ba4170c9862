/**
 * Logins checked by Dovecot's auth server, over its socket: the users, passwords and policies of the mailboxes are those
 * of submission. Dovecot down, late or in doubt is 454 4.7.0. Non-job: the protocol (channel.ts), growing delays.
 */
import { isAbsolute, resolve } from "node:path";
import { z } from "zod";
import { type AuthContext, canonicalIp, definePlugin, type PluginFactory } from "../../../core/pipeline/mod.ts";
import { duration } from "../duration.ts";
import { Slots } from "../slots.ts";
import { isUserName } from "../user_name.ts";
import { vouch } from "../vouch.ts";
import { AuthServer } from "./auth_server.ts";
import type { Place } from "./channel.ts";
import { base64, DUMMY, type Handed, initialResponse, THERE } from "./response.ts";

const Mechanism = z.enum(["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"]);

const socket = z.string().transform((text, context): Place => {
  const [, six, name, port] = /^(?:\[([^\]\s]+)\]|([^:\s[\]/]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = six ?? name;
  if (host !== undefined && Number(port) >= 1 && Number(port) <= 65535) return { host, port: Number(port) };
  if (host === undefined && /[/\w]/.test(text) && !text.includes("\0")) return { path: text };
  context.addIssue("must be the path of a socket such as /run/dovecot/auth-client, or host:port");
  return z.NEVER;
});

const Options = z.strictObject({
  socket: socket.prefault("/run/dovecot/auth-client").describe("Dovecot's auth socket: a path, or host:port"),
  service: z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, "must be a word").default("smtp").describe(
    "Service name that Dovecot is told",
  ),
  mechanisms: z.array(Mechanism).min(1).default(["PLAIN", "LOGIN"]).describe("SASL mechanisms to offer"),
  timeout: duration(100, 25_000).prefault("10s").describe("Time for the handshake, and for each answer"),
  concurrency: z.int().min(1).max(1000).default(100).describe("Logins at a time on the one connection"),
});

/**
 * Asks Dovecot about each login.
 *
 * @example
 * ```ts
 * import { dovecot_auth } from "./mod.ts";
 * const plugin = dovecot_auth({ socket: "/run/dovecot/auth-client" });
 * ```
 */
export const dovecot_auth: PluginFactory<z.input<typeof Options>> = definePlugin({
  name: "dovecot_auth",
  options: Options,
  roles: ["submission"],
  create({ socket, service, mechanisms, timeout, concurrency }, setup) {
    const place = "path" in socket && !isAbsolute(socket.path) ? { path: resolve(setup.base, socket.path) } : socket;
    const server = new AuthServer({ place, timeout });
    const slots = new Slots(concurrency);
    setup.mechanisms(mechanisms);

    return {
      async auth(ctx, next) {
        const { credentials, client } = ctx;
        const mechanism = mechanisms.find((each) => each === credentials.mechanism);
        if (client.identity !== null || mechanism === undefined) return next();
        const secret = credentials.reveal();
        if (secret === null) return next();
        const response = initialResponse(mechanism, credentials.user, secret);
        if (response === null) return next();
        const question = {
          mechanism: THERE[mechanism],
          fields: fields(ctx, service),
          response: base64(response),
          dummy: dummy(mechanism),
        };
        const outcome = await slots.run(() => server.ask(question, ctx.signal, ctx.now()), ctx.signal);
        if (outcome !== null) {
          const user = outcome.user ?? credentials.user;
          if (!isUserName(user)) throw new Error("Dovecot vouched, and did not say for whom");
          vouch(ctx, user);
        }
        return next();
      },
    };
  },
});

/** Addresses for Dovecot's own policies (allow_nets). Each is canonical: nothing of the peer's own making. */
function fields(ctx: AuthContext, service: string): string[] {
  const { client, listener } = ctx;
  // nologin: we never ask for the mailbox that belongs to it. no-penalty: Dovecot would hold back even the right password
  // of everybody behind an address, for longer than clients wait; our own lock-outs know who has been there before
  const all = [`service=${service}`, "nologin", "no-penalty"];
  if (client.tls !== null) all.push("secured");
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([\d.]+)):(\d+)$/.exec(listener) ?? [];
  const local = canonicalIp(six ?? four ?? "");
  if (local !== null && local !== "0.0.0.0" && local !== "::") all.push(`lip=${local}`, `lport=${port}`);
  const remote = canonicalIp(client.ip);
  if (remote !== null) all.push(`rip=${remote}`, `rport=${client.port}`);
  return all;
}

function dummy(mechanism: Handed): string | undefined {
  const text = DUMMY[mechanism];
  return text === undefined ? undefined : base64(text);
}
