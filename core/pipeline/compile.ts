/**
 * From a list of plugins to the steps of each phase: roles select, the operator's words reach into combinations, the order
 * that plugins ask for is checked. Done once per listener. Non-job: running steps.
 */
import { type AnyHandler, PluginStep, type Step } from "./calls/call.ts";
import type { Role } from "./contexts/contexts.ts";
import type { Phase, Plugin, Policy } from "./plugin.ts";

export const PHASES: readonly Phase[] = ["connect", "helo", "auth", "mail", "rcpt", "data", "queue", "deliver"];

/** What makes a plugin a combination of others. Under a symbol, so that it survives withPolicy and renaming. */
export const COMBINED = Symbol("combined");
export interface Combined {
  readonly members: readonly Plugin[];
  /** They run at the same time. */
  readonly together?: true;
  /** One step of the steps of each member that has some in the phase. */
  step(chains: readonly (readonly Step[])[], phase: Phase, policy: Policy): Step;
}
type Combination = Plugin & { readonly [COMBINED]?: Combined };

export interface Compiled {
  readonly plugin: string;
  readonly phases: readonly Phase[];
  readonly mode: "enforce" | "observe";
}

function selected(plugin: Plugin, role: Role | undefined): boolean {
  const roles = plugin.policy?.roles ?? plugin.roles; // the operator's word replaces the author's
  return role === undefined || roles === undefined || roles.includes(role);
}

/** The operator's words for a combination hold for its members, over their own. */
function inherited(plugin: Plugin, above: Policy): Policy {
  return { ...plugin.policy, ...above };
}

/** The plugins of a matrix that store mail: those that a local route may name. */
export function storesOf(matrix: readonly Compiled[]): ReadonlySet<string> {
  return new Set(matrix.filter(({ phases }) => phases.includes("queue")).map(({ plugin }) => plugin));
}

/** The steps of one plugin in one phase: none, one, or a combination's. */
export function stepsOf(plugin: Plugin, phase: Phase, role: Role | undefined, above: Policy = {}): Step[] {
  if (!selected(plugin, role)) return [];
  const policy = inherited(plugin, above);
  const combined = (plugin as Combination)[COMBINED];
  if (combined) {
    const chains = combined.members.map((member) => stepsOf(member, phase, role, policy)).filter((s) => s.length > 0);
    return chains.length > 0 ? [combined.step(chains, phase, policy)] : [];
  }
  if (phase === "queue" && policy.mode === "observe") return []; // storing for real is no observing   SEMANTICS 14
  const handler = plugin.handlers[phase] as AnyHandler | undefined;
  if (handler === undefined) return [];
  const { deadline } = plugin;
  return [new PluginStep(plugin.name, phase, handler, deadline === undefined ? policy : { deadline, ...policy })];
}

/** The plugins themselves, combinations taken apart. */
export function leavesOf(
  plugins: readonly Plugin[],
  role: Role | undefined,
  above: Policy = {},
): { readonly plugin: Plugin; readonly policy: Policy }[] {
  return plugins.flatMap((plugin) => {
    if (!selected(plugin, role)) return [];
    const policy = inherited(plugin, above);
    const combined = (plugin as Combination)[COMBINED];
    return combined ? leavesOf(combined.members, role, policy) : [{ plugin, policy }];
  });
}

/** True when it handles a phase of `last`, which wants to be the last there, and does not want that too. */
function meets({ plugin }: { readonly plugin: Plugin }, last: Plugin): boolean {
  if (plugin.after?.includes("*")) return false; // two that sign: their order is the operator's
  return PHASES.some((phase) => plugin.handlers[phase] && last.handlers[phase]);
}

/**
 * Plugins that read the keys of another that runs at the same time, where it has no earlier phase to set them in: the order
 * of a list does not help there.
 */
export function besideOf(plugins: readonly Plugin[]): { readonly plugin: string; readonly other: string }[] {
  return plugins.flatMap((plugin) => {
    const { members = [], together = false } = (plugin as Combination)[COMBINED] ?? {};
    const leaves = members.map((member) => leavesOf([member], undefined));
    const pairs = !together
      ? []
      : leaves.flatMap((own, at) =>
        leaves.flatMap((others, index) =>
          index === at ? [] : own.flatMap((reader) => others.map((other) => [reader.plugin, other.plugin] as const))
        )
      );
    const found = pairs.filter(([reader, other]) => reader.after?.includes(other.name) && isTooLate(reader, other));
    return [...found.map(([{ name }, other]) => ({ plugin: name, other: other.name })), ...besideOf(members)];
  });
}

function isTooLate(reader: Plugin, other: Plugin): boolean {
  const first = PHASES.findIndex((phase) => reader.handlers[phase]);
  return PHASES.slice(first).some((phase) => reader.handlers[phase] && other.handlers[phase]) &&
    !PHASES.slice(0, first).some((phase) => other.handlers[phase]);
}

/**
 * What a plugin has under `handlers` that is no handler of a phase, or null: a list that no compiler has seen may have it.
 * `known`: there is such a phase.
 */
export function oddHandler({ handlers }: Plugin): { readonly name: string; readonly known: boolean } | null {
  for (const [name, handler] of Object.entries(handlers)) {
    const known = PHASES.includes(name as Phase);
    if (!known || handler !== undefined && typeof handler !== "function") return { name, known };
  }
  return null;
}

/**
 * The matrix of a list.
 *
 * @throws {Error} naming the plugin that stands in the wrong place or handles a phase that there is not.
 */
export function checkPlugins(plugins: readonly Plugin[], role: Role | undefined): Compiled[] {
  const leaves = leavesOf(plugins, role);
  const names = leaves.map(({ plugin }) => plugin.name);
  for (const [index, { plugin }] of leaves.entries()) {
    const odd = oddHandler(plugin);
    if (odd?.known === false) throw new Error(`plugins: "${plugin.name}" handles the unknown phase "${odd.name}"`);
    if (odd) throw new Error(`plugins: "${plugin.name}" has no function for the phase "${odd.name}"`);
    const behind = plugin.after?.includes("*")
      ? leaves.findLast((each, at) => at > index && meets(each, plugin))
      : null;
    if (behind) throw new Error(`plugins: "${plugin.name}" must stand last, after "${behind.plugin.name}"`);
    const late = plugin.after?.find((name) => name !== "*" && names.indexOf(name, index) >= 0);
    if (late !== undefined) throw new Error(`plugins: "${plugin.name}" must stand after "${late}"`);
  }
  const [beside] = besideOf(plugins);
  if (beside) {
    throw new Error(`plugins: "${beside.plugin}" must stand after "${beside.other}", and not beside it in parallel`);
  }
  return leaves.map(({ plugin, policy }) => ({
    plugin: plugin.name,
    phases: PHASES.filter((phase) => plugin.handlers[phase] && !(phase === "queue" && policy.mode === "observe")),
    mode: policy.mode ?? "enforce",
  }));
}
