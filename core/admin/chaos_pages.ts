/**
 * The routes of the page for errors on purpose: the rules that are set, one more, one less, all at rest. Every change
 * writes the whole list, as the API does. Non-job: how it looks (ui/inbox/errors.ts), what a rule means (the plugin).
 */
import type { Hono } from "hono";
import { chaosIn } from "../config/chaos.ts";
import { type ChaosOptions, hasPlugin, setRules } from "./chaos.ts";
import type { AdminEnv } from "./options.ts";
import type { PagesContext } from "./pages_context.ts";
import { Problem } from "./problem.ts";
import { errorsPage, type RuleForm } from "./ui/inbox/errors.ts";

const FIELDS = ["phase", "who", "answer", "text", "delay", "rate", "times"] as const;

export function chaosPages(app: Hono<AdminEnv>, options: PagesContext): void {
  const { admin, context, form: formOf, answer } = options, { store, now = Date.now } = admin;
  const rules = chaosIn(store.counters, now);
  const chaos: ChaosOptions = { rules, isThere: () => hasPlugin(admin, "chaos") };
  const written = async () => (await rules.list()).map(({ rule }) => rule);

  app.get("/chaos", async (c) => {
    const data = { rules: await rules.list(), isThere: chaos.isThere(), fault: null, form: {} };
    return answer(c, errorsPage(await context(), data));
  });

  app.post("/chaos", async (c) => {
    const form = await formOf(c);
    const wanted = Object.fromEntries(FIELDS.map((name) => [name, form.get(name)?.trim() ?? ""])) as RuleForm;
    try {
      await setRules(chaos, [...await written(), ruleOf(wanted)]);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 400) throw error;
      const fault = error.detail.replace(/^rule \d+\.?/, "");
      const page = errorsPage(await context(), { rules: await rules.list(), isThere: true, fault, form: wanted });
      c.status(400);
      return answer(c, page);
    }
    return c.redirect("/chaos", 303);
  });

  for (const verb of ["turn", "remove", "clear"] as const) {
    app.post(`/chaos/${verb}`, async (c) => {
      const form = await formOf(c), at = Number(form.get("n")) - 1, all = await written();
      const next = verb === "clear"
        ? []
        : verb === "remove"
        ? all.filter((_, n) => n !== at)
        : all.map((rule, n) => n === at ? { ...rule, on: !rule.on } : rule);
      await setRules(chaos, next);
      return c.redirect("/chaos", 303);
    });
  }
}

/** The rule that a form describes; what is wrong with it is for the plugin to say. */
function ruleOf({ phase, who, answer, text, delay, rate, times }: RuleForm): Record<string, unknown> {
  const key = { connect: "ip", helo: "ip", auth: "user", mail: "from", rcpt: "to", data: "to" }[phase ?? ""] ?? "to";
  const own = answer === "other" ? text : answer;
  return {
    phase: phase || "rcpt",
    ...who !== "" && { [key]: who },
    answer: own,
    ...delay !== "" && { delay },
    ...rate !== "" && { rate: Number(rate) / 100 },
    ...times !== "" && { times: Number(times) },
  };
}
