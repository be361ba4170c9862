/**
 * The pipeline as the handlers that an edge platform calls. Non-job: each step of it, which the files beside this do.
 */
import { settle, type Settled, type Ways } from "./delivering.ts";
import { actionsOf, answer, type EmailEvent, type EmailMessageClass } from "./email_event.ts";
import { checkAuth, type HttpAuth } from "./http_auth.ts";
import { arrivalIn, responseTo } from "./http_post.ts";
import { takeIn, withWireLineEnds } from "./intake.ts";
import { type Arrival, Judge, type Judged } from "./judge.ts";
import { lineOf } from "./line.ts";
import type { EdgeMail, EmailActions } from "./mail.ts";
import type { EdgeHostOptions, EventHost, EventHostOptions, MessageHost, MessageHostOptions } from "./options.ts";
import { defer, reject } from "../model/reply.ts";

type Options = EventHostOptions | MessageHostOptions;
const MOST = 25 * 1024 * 1024;

/**
 * Handlers for an edge platform, around plugins that need nothing but the message. Options may be made of the platform's
 * `env`, where its secrets and stores are: then once for each `env` there is.
 *
 * @throws {Error} when a plugin stands in the wrong place, or would never be asked; {TypeError} for a secret too short.
 * With a function: not here, but from the handlers, which put the mail off.
 * @example
 * ```ts
 * import { defineMessagePlugin, MemoryResolver, reject } from "postern";
 * import { edgeHost, keep } from "postern/edge";
 * import { assertEquals } from "@std/assert";
 * import { z } from "zod";
 * const no_gold = defineMessagePlugin({
 *   name: "no_gold",
 *   options: z.strictObject({}),
 *   create: () => ({
 *     data: (ctx, next) => /gold/i.test(ctx.message.header("Subject") ?? "") ? reject("5.7.1", "No gold") : next(),
 *   }),
 * });
 * const kept: string[] = [];
 * const { fetch } = edgeHost({
 *   host: { name: "edge.example.org" },
 *   plugins: [no_gold()],
 *   dns: new MemoryResolver({}),
 *   auth: { secret: "0123456789abcdef" },
 *   deliver: keep((mail) => void kept.push(mail.id)),
 *   log: () => {},
 * });
 * const post = (subject: string) =>
 *   fetch(
 *     new Request("https://edge.example.org/?from=a@example.net&to=b@example.org", {
 *       method: "POST",
 *       headers: { authorization: "Bearer 0123456789abcdef" },
 *       body: `Subject: ${subject}\r\n\r\nHello\r\n`,
 *     }),
 *   );
 * assertEquals([(await post("Silver")).status, (await post("Gold")).status, kept.length], [200, 406, 1]);
 * ```
 */
export function edgeHost<Env = unknown>(
  options: MessageHostOptions | ((env: Env) => MessageHostOptions),
): MessageHost<Env>;
/** With a way on that is the event's own there is nothing that a web request could use. */
export function edgeHost<Env = unknown>(options: EventHostOptions | ((env: Env) => EventHostOptions)): EventHost<Env>;
export function edgeHost<Env>(options: Options | ((env: Env) => Options)): MessageHost<Env> {
  const houseOf = typeof options === "function" ? houses(options) : always(new House(options));
  return {
    async email(message, env) {
      await houseOf(env).email(message);
    },
    async fetch(request, env) {
      try {
        return await houseOf(env as Env).fetch(request);
      } catch (error) {
        console.error(JSON.stringify(`postern: ${error instanceof Error ? error.message : error}`));
        return Response.json({ error: "Local error in processing" }, { status: 503, headers: { "retry-after": "60" } });
      }
    },
  };
}

function always<Env>(house: House): (env: Env) => House {
  return () => house;
}
/** One for each `env`: a platform gives the same object to all events of an isolate. */
function houses<Env>(make: (env: Env) => Options): (env: Env) => House {
  const known = new WeakMap<object, House>();
  return (env) => {
    const key = typeof env === "object" && env !== null ? env : make;
    const house = known.get(key) ?? new House(make(env));
    known.set(key, house);
    return house;
  };
}

class House {
  readonly #options: EdgeHostOptions;
  readonly #judge: Judge;
  readonly #ways: Ways;
  readonly #auth: HttpAuth | null;
  readonly #recipients: number;
  readonly #size: number;
  readonly #emailMessage: EmailMessageClass | undefined;

  constructor(options: Options) {
    const { deliver, quarantine = null, patience = 60_000, size = MOST } = options;
    const { auth = null, recipients = 100 } = options as MessageHostOptions;
    if (auth !== null) checkAuth(auth);
    this.#options = options;
    this.#judge = new Judge(options, deliver.carries === "message");
    this.#ways = { deliver, quarantine, patience };
    this.#auth = auth;
    this.#recipients = recipients;
    this.#size = size;
    this.#emailMessage = (options as EventHostOptions).emailMessage;
  }

  /** @throws {EdgeDeferral} */
  async email(event: EmailEvent): Promise<void> {
    const { from, to, raw, rawSize } = event;
    const octets = await takeIn(raw, { most: this.#size, size: rawSize }).catch((error: Error) => error);
    const none = { via: "email", from, to: [to], octets: new Uint8Array(0) } as const;
    if (octets instanceof Error || octets === "short" || octets === "late") {
      const why = octets instanceof Error
        ? `The message could not be read: ${octets.message}`
        : octets === "short"
        ? "The message was cut off"
        : "The message did not come in time";
      const { judged, settled } = this.#without(none, defer("4.3.0", "Local error in processing", { reason: why }));
      return await answer(event, settled, judged);
    }
    if (octets === "size") {
      const { judged, settled } = this.#without(none, tooBig(this.#size));
      return await answer(event, settled, judged);
    }
    const { judged, settled } = await this.#take(
      { ...none, octets: withWireLineEnds(octets) },
      actionsOf(event, this.#emailMessage),
    );
    await answer(event, settled, judged);
  }

  async fetch(request: Request): Promise<Response> {
    if (this.#ways.deliver.carries !== "message") return Response.json({ error: "No mail here" }, { status: 404 });
    const arrival = await arrivalIn(request, {
      auth: this.#auth,
      size: this.#size,
      recipients: this.#recipients,
      now: this.#judge.now(),
    });
    if (arrival instanceof Response) return arrival;
    const { judged, settled } = await this.#take(arrival, null);
    return responseTo(judged, settled);
  }

  async #take(arrival: Arrival, actions: ((mail: EdgeMail) => EmailActions) | null) {
    const began = performance.now(), judged = await this.#judge.judge(arrival);
    const outcome = await settle(judged, this.#ways, actions), ms = performance.now() - began;
    const settled: Settled = { ...outcome, size: arrival.octets.length, ms };
    this.#tell(arrival, judged, settled);
    return { judged, settled };
  }

  /** What ends before there is a message to judge. */
  #without(arrival: Arrival, reply: ReturnType<typeof defer> | ReturnType<typeof reject>) {
    const judged = this.#judge.refused(reply);
    const settled: Settled = { reply, refused: [], lost: [], failure: null, size: 0, ms: 0 };
    this.#tell(arrival, judged, settled);
    return { judged, settled };
  }

  #tell(arrival: Arrival, judged: Judged, settled: Settled): void {
    this.#judge.conclude({ ...judged, reply: settled.reply }, arrival, settled.ms);
    try {
      (this.#options.log ?? console.log)(lineOf(arrival, judged, settled));
    } catch { /* no mail is lost by its log */ }
  }
}

const tooBig = (size: number) => reject("5.3.4", `Message too big, the limit is ${size} octets`, { code: 552 });
