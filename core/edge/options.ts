/** What an edge host is told when it is made, and what it is then. Types. */
import type { Counters } from "../store/store.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { Event } from "../observe/events.ts";
import type { Host } from "../pipeline/contexts/contexts.ts";
import type { EdgePhases, Plugin } from "../pipeline/plugin.ts";
import type { EdgeDelivery, EventDelivery } from "./mail.ts";
import type { EmailEvent, EmailMessageClass } from "./email_event.ts";
import type { HttpAuth } from "./http_auth.ts";

/** What holds for both kinds of hosts. */
export interface EdgeHostOptions {
  /** This site: its name stands in Authentication-Results. */
  readonly host: Pick<Host, "name"> & Partial<Host>;
  /**
   * Asked in this order. A plugin that needs more than an edge host knows does not compile here: one that was made by
   * `definePlugin` and not by `defineMessagePlugin` or `definePortablePlugin`.
   */
  readonly plugins: readonly Plugin<EdgePhases>[];
  /** Name service; `dohResolver` makes one. */
  readonly dns: Resolver;
  /**
   * What `ctx.store` reads and writes. Unset: a memory of each isolate's own, which platforms throw away when they like:
   * enough for a cache, not for counting. See `kvCounters`.
   */
  readonly counters?: Counters;
  /** Octets of a message at most (default 25 MiB). */
  readonly size?: number;
  /** Received fields of a message that has gone in circles (default 100, RFC 5321 6.3). */
  readonly hops?: number;
  /** Milliseconds that all plugins have together for a message (default 20,000). */
  readonly budget?: number;
  /** Milliseconds for handing it on (default 60,000). */
  readonly patience?: number;
  /** Takes a line of JSON for each message (default: console.log). */
  readonly log?: (line: string) => void;
  /** Told of every event, as plugins with `observe` are. Nobody waits for it. */
  readonly observe?: (event: Event) => void;
  /** Milliseconds since 1970 (default: Date.now). */
  readonly now?: () => number;
}

/** A host behind the platform's event whose way on is that event's. */
export interface EventHostOptions extends EdgeHostOptions {
  /** Where accepted mail goes: `forwardTo(...)`, or one of your own. */
  readonly deliver: EventDelivery;
  /** Where mail goes that a plugin holds for a person. Unset: it is refused, so that its sender knows. */
  readonly quarantine?: EventDelivery | EdgeDelivery;
  /** `EmailMessage` of `cloudflare:email`, for `reply`. */
  readonly emailMessage?: EmailMessageClass;
}
/** A host whose way on carries the whole message: it takes events and web requests. */
export interface MessageHostOptions extends EdgeHostOptions {
  /** Where accepted mail goes: `relayTo(...)`, `keep(...)`, or one of your own. */
  readonly deliver: EdgeDelivery;
  /** Where mail goes that a plugin holds for a person. Unset: it is refused, so that its sender knows. */
  readonly quarantine?: EdgeDelivery;
  /** Who may post. Without it `fetch` lets nobody in. */
  readonly auth?: HttpAuth;
  /** Recipients of one request at most (default 100). */
  readonly recipients?: number;
}

/** The platform's context, as far as it is of use. */
export interface ExecutionContext {
  /** Lets the isolate live until then. */
  waitUntil?(promise: Promise<unknown>): void;
}

/** What a worker exports. */
export interface EventHost<Env = unknown> {
  /**
   * The handler of a platform's email event. It calls `setReject` for what is refused for good; it throws for what may
   * pass later, so that the platform does what it does then.
   *
   * @throws {EdgeDeferral}
   */
  email(message: EmailEvent, env: Env, context?: ExecutionContext): Promise<void>;
}
/** The same, and a web server. */
export interface MessageHost<Env = unknown> extends EventHost<Env> {
  /** The handler of a web request that brings a message. Never rejects. */
  fetch(request: Request, env?: Env, context?: unknown): Promise<Response>;
}

/**
 * Not now: the sender, or the platform in its place, is to come again.
 *
 * @example
 * ```ts
 * import { defer, defineMessagePlugin, MemoryResolver } from "postern";
 * import { EdgeDeferral, edgeHost, keep } from "postern/edge";
 * import { z } from "zod";
 * import { assertRejects } from "@std/assert";
 * const later = defineMessagePlugin({
 *   name: "later",
 *   options: z.strictObject({}),
 *   create: () => ({ data: () => defer("4.3.2", "Come later") }),
 * });
 * const host = edgeHost({
 *   host: { name: "edge.example.org" },
 *   plugins: [later()],
 *   dns: new MemoryResolver({}),
 *   auth: { secret: "0123456789abcdef" },
 *   deliver: keep((mail) => void mail.content()),
 *   log: () => {},
 * });
 * const octets = new TextEncoder().encode("Subject: x\r\n\r\nhi\r\n");
 * const event = {
 *   from: "a@example.net",
 *   to: "b@example.org",
 *   raw: new Blob([octets]).stream(),
 *   rawSize: octets.length,
 *   setReject: () => {},
 *   forward: () => Promise.resolve(),
 * };
 * await assertRejects(() => host.email(event, undefined), EdgeDeferral); // the platform keeps it, and comes again
 * ```
 */
export class EdgeDeferral extends Error {
  /** Tells it from other errors. */
  override readonly name = "EdgeDeferral";
}
