/** The examples for Prometheus and Grafana as tests see them: their files, and each expression in them. */
import { parse } from "@std/yaml";

const FOLDER = new URL("../../examples/observability/", import.meta.url);

export interface Expression {
  /** Where it stands. */
  readonly place: string;
  readonly text: string;
}

export const CONFIG: string = Deno.readTextFileSync(new URL("prometheus.yaml", FOLDER));
export const RULES: string = Deno.readTextFileSync(new URL("rules.yaml", FOLDER));
export const RULES_PATH: string = new URL("rules.yaml", FOLDER).pathname;
export const DASHBOARD: {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly type: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets?: readonly { readonly expr: string }[];
  }[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
} = JSON.parse(Deno.readTextFileSync(new URL("dashboard.json", FOLDER)));

/** Of the rules. */
export const ALERTS: readonly Expression[] = (parse(RULES) as {
  groups: { rules: { alert: string; expr: string }[] }[];
}).groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ place: alert, text: expr })));

/** Of the dashboard, with what Grafana puts in the place of its variables. */
export const PLOTS: readonly Expression[] = [
  ...DASHBOARD.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ place: title, text: expr }))),
  ...DASHBOARD.annotations.list.map(({ expr }) => ({ place: "annotations", text: expr })),
].map(({ place, text }) => ({ place, text: text.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*") }));

/** The names of series in an expression, labels and strings left out. */
export function seriesIn(expression: string): readonly string[] {
  const bare = expression.replace(/"[^"]*"/g, "").replace(/\{[^}]*\}/g, "").replace(/\bby \([^)]*\)/g, "");
  return [...new Set(bare.match(/\b(?:postern|process)_[a-z_]+\b/g) ?? [])];
}
