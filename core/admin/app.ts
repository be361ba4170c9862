/**
 * The admin site: guards first, then the API and the pages, on Hono. It decides nothing about mail: it reads the store
 * and asks it for changes. Non-job: listening (serve.ts).
 */
import { Hono } from "hono";
import { bansIn } from "../config/bans.ts";
import { chaosIn } from "../config/chaos.ts";
import { Suppression } from "../delivery/suppression.ts";
import { Destinations } from "../observe/destinations.ts";
import { PluginFaults } from "../observe/plugin_faults.ts";
import { audited } from "./access/audit.ts";
import { RequestRates } from "./access/rates.ts";
import { type AccessToken, adminToken } from "./access/scope.ts";
import { quarantine } from "./api/quarantine.ts";
import { serverApi } from "./api/server.ts";
import { sessions as sessionsApi } from "./api/sessions.ts";
import { bans } from "./bans.ts";
import { chaos, hasPlugin } from "./chaos.ts";
import { events, EventStreams } from "./events.ts";
import { hostGuard, isApi, originGuard, secureHeaders, tokenGuard } from "./guard.ts";
import { health } from "./health.ts";
import { messages } from "./messages/messages.ts";
import { MailReader } from "./messages/reader.ts";
import { openapi } from "./openapi/openapi.ts";
import { ADMIN_LIMITS, type AdminEnv, type AdminOptions, type RequestInfo, type Steering } from "./options.ts";
import { Pages } from "./pages.ts";
import { plugins } from "./plugins.ts";
import { Problem, problemOf } from "./problem.ts";
import { queue } from "./queue/queue.ts";
import { send } from "./send/send.ts";
import { Sessions } from "./session.ts";
import { suppressions } from "./suppressions.ts";
import { training } from "./training.ts";

export type { AdminOptions } from "./options.ts";

export interface Admin {
  /** Answers one request. Without `info` the peer counts as unknown. */
  fetch(request: Request, info?: RequestInfo): Response | Promise<Response>;
  /** The API's routes, for the document that describes them. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
  /** Ends event streams and the thread that reads messages. */
  close(): Promise<void>;
}

/**
 * The site over a store. See serve.ts for a port.
 *
 * @throws {TypeError} when there is neither a token nor the dev inbox that may do without one.
 */
export function createAdmin(options: AdminOptions): Admin {
  if (options.token === "") throw new TypeError("admin.token is empty: give one, or none for the dev inbox");
  const limits = { ...ADMIN_LIMITS, ...options.limits };
  const now = options.now ?? Date.now;
  const sessions = new Sessions({ tokens: tokensOf(options), now, failures: limits.failures });
  const rates = new RequestRates({ rate: limits.rate, loopback: limits.rateLoopback, now });
  const reader = new MailReader(options.store, limits);
  const streams = new EventStreams(options.store, options.bus, limits);
  const { store } = options;
  const { change = (what, wanted) => store.change(what, wanted), destinations = () => [] } = options;
  const steering: Steering = {
    change,
    destinations,
    get ways() { // a reload changes them
      return options.ways;
    },
  };
  const suppression = new Suppression({ counters: store.counters, now });
  const fares = new Destinations({ now }), faults = new PluginFaults({ now });
  const unsubscribe = [options.bus.subscribe(fares.observe), options.bus.subscribe(faults.observe)];
  const pages = new Pages({ admin: options, steering, reader, sessions, suppression, health: fares, faults, now });

  const app = new Hono<AdminEnv>();
  app.use(secureHeaders());
  const hosts = sessions.required ? [...options.hosts, options.site.hostname] : options.hosts;
  app.use(hostGuard({ hosts, token: sessions.required }));
  app.use(tokenGuard(sessions, rates));
  app.use(originGuard());
  app.use(audited({ bus: options.bus, now }));
  app.route("/", health(options));
  app.get("/openapi.json", (c) => c.json(openapi(options.site.version)));
  app.route("/api/v1/messages", messages(options, reader));
  app.route("/api/v1/queue", queue(store, steering));
  app.route("/api/v1/quarantine", quarantine(options));
  app.route("/api/v1/suppressions", suppressions(suppression));
  app.route("/api/v1", training(options));
  app.route("/api/v1/bans", bans(bansIn(store.counters, now), now));
  app.route(
    "/api/v1/chaos",
    chaos({ rules: chaosIn(store.counters, now), isThere: () => hasPlugin(options, "chaos") }),
  );
  app.route("/api/v1/plugins", plugins({ ...options, now }));
  app.route("/api/v1", sessionsApi({ ledger: options.ledger, now }));
  app.route("/api/v1/send", send({ admin: options, messageSize: limits.messageSize, now }));
  app.route("/api/v1", serverApi({ admin: options, tokens: () => sessions.tokens }));
  app.route("/api/v1/events", events(streams));
  app.route("/", pages.routes());
  app.notFound((c) => {
    const problem = new Problem(404, "Nothing is here under that path and method.");
    return isApi(c.req.path) ? problem.toResponse() : pages.fault(problem, c);
  });
  app.onError((error, c) => {
    const problem = problemOf(error);
    if (problem.status === 500) {
      options.bus.emit({ type: "trouble", where: "admin", message: `${c.req.method} ${c.req.path}: ${error}` });
    }
    // A Host or a peer that is not let in learns nothing of the site, not even how its pages look.
    return isApi(c.req.path) || [401, 421, 429].includes(problem.status)
      ? problem.toResponse()
      : pages.fault(problem, c);
  });

  return {
    fetch: (request, info) => app.fetch(request, info ?? { remote: "unknown" }),
    routes: app.routes.filter((each) => each.method !== "ALL" && isApi(each.path)),
    async close() {
      for (const end of unsubscribe) end();
      streams.close();
      await reader.close();
    },
  };
}

/** All that are valid now; null where nobody is asked, which no later change of the tokens can bring about. */
function tokensOf({ token, tokens = () => [] }: AdminOptions): (() => readonly AccessToken[]) | null {
  const main = token === null ? [] : [adminToken(token)];
  return token === null && tokens().length === 0 ? null : () => [...main, ...tokens()];
}
