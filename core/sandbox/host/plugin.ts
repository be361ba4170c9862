/**
 * A plugin that runs apart, as the pipeline sees it: its name, its phases and all that it says of itself come from a life
 * that was asked once; every call goes to a sandbox. Non-job: which sandbox (sandboxed.ts).
 */
import type { PluginContext } from "../../pipeline/contexts/plugin_context.ts";
import type { Handlers, Job, Learn, Next, Observe, Plugin, SandboxFacts } from "../../pipeline/plugin.ts";
import type { Description } from "../wire.ts";
import { PhaseCall } from "./call.ts";
import { Errand } from "./errand.ts";
import type { Sandbox } from "./sandbox.ts";

/** Events that wait to be told at a time; more are not told. */
const MOST_EVENTS = 1000;

export function pluginOf(sandbox: Sandbox, description: Description, facts: SandboxFacts): Plugin {
  const { name, phases, after, roles, routesTo, routesVia, mechanisms, deadline, jobs } = description;
  const handlers = Object.fromEntries(phases.map((phase) => [phase, (ctx: PluginContext, next: Next) => {
    const call = new PhaseCall(sandbox, phase, ctx, next);
    sandbox.ask(call);
    return call.answer;
  }]));
  return {
    name,
    after,
    ...(roles === null ? {} : { roles }),
    ...(description.bindsSender ? { bindsSender: true } : {}),
    ...(description.asksEngine ? { asksEngine: true } : {}),
    ...(routesTo.length > 0 ? { routesTo } : {}),
    ...(routesVia.length > 0 ? { routesVia } : {}),
    ...(mechanisms === null ? {} : { mechanisms }),
    ...(deadline === null ? {} : { deadline }),
    ...(description.observes ? { observe: observer(sandbox) } : {}),
    ...(description.learns ? { learn: learner(sandbox) } : {}),
    ...(jobs.length > 0 ? { jobs: jobs.map((job, index) => jobOf(sandbox, job, index)) } : {}),
    handlers: handlers as unknown as Handlers,
    sandbox: facts,
    start: () => sandbox.start(),
    stop: () => sandbox.stop(),
  };
}

function observer(sandbox: Sandbox): Observe {
  let waiting = 0, missed = 0;
  return async (event, house) => {
    if (waiting >= MOST_EVENTS) {
      if (missed++ === 0) throw new Error("it is told more than it can take: events are left out");
      return;
    }
    waiting++;
    try {
      const errand = new Errand((_life, call, now) => ({ do: "observe", call, event, now }), { house });
      sandbox.ask(errand);
      await errand.answer;
    } finally {
      if (--waiting === 0) missed = 0;
    }
  };
}

function learner(sandbox: Sandbox): Learn {
  return async (content, as, house) => {
    const errand = new Errand((_life, call, now) => ({ do: "learn", call, content, as, now }), { house });
    sandbox.ask(errand);
    return await errand.answer;
  };
}

function jobOf(sandbox: Sandbox, { name, every, after }: Description["jobs"][number], job: number): Job {
  return {
    name,
    every,
    after,
    async run(house) {
      const errand = new Errand((life, call, now) => {
        return { do: "job", call, job, house: sandbox.house(house.host, life), now };
      }, { house });
      sandbox.ask(errand);
      await errand.answer;
    },
  };
}
