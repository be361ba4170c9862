/**
 * The beginning and the end of the plugins of a configuration. Non-job: when those are (core/generation.ts).
 */
import { leavesOf } from "./compile.ts";
import type { Plugin } from "./plugin.ts";

/** Those that hold something, each instance once, whatever the number of lists it stands in. */
export class Lifetimes {
  readonly #plugins: readonly Plugin[];
  readonly #trouble: (plugin: string, message: string) => void;

  constructor(plugins: readonly Plugin[], trouble: (plugin: string, message: string) => void) {
    const known = new Map<unknown, Plugin>(); // withPolicy copies the plugin, not what it holds
    for (const { plugin } of leavesOf(plugins, undefined)) {
      const { start = null, stop = null } = plugin;
      if (start !== null || stop !== null) known.set(start ?? stop, plugin);
    }
    this.#plugins = [...known.values()];
    this.#trouble = trouble;
  }

  /**
   * All at once.
   *
   * @throws {Error} of the first in the list that cannot begin; then none of them runs.
   */
  async start(): Promise<void> {
    const begun = await Promise.allSettled(this.#plugins.map(async (plugin) => await plugin.start?.()));
    const failed = begun.findIndex(({ status }) => status === "rejected");
    if (failed < 0) return;
    await this.stop();
    const { reason } = begun[failed] as PromiseRejectedResult;
    throw new Error(`${this.#plugins[failed]!.name}: ${messageOf(reason)}`, { cause: reason });
  }

  /** Never rejects. */
  async stop(): Promise<void> {
    await Promise.all(this.#plugins.map(async (plugin) => {
      try {
        await plugin.stop?.();
      } catch (error) {
        this.#trouble(plugin.name, `did not end: ${messageOf(error)}`);
      }
    }));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
