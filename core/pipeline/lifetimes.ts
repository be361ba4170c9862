/**
 * The beginning and the end of the plugins of a configuration. Non-job: when those are (core/generation.ts).
 */
import { leavesOf } from "./compile.ts";
import type { Plugin } from "./plugin.ts";

/** Milliseconds: a plugin that never settles must keep no server from its start, and none from its end. */
const PATIENCE = { start: 60_000, stop: 10_000 };

/** Those that hold something, each instance once, whatever the number of lists it stands in. */
export class Lifetimes {
  readonly #plugins: readonly Plugin[];
  readonly #trouble: (plugin: string, message: string) => void;
  readonly #patience: typeof PATIENCE;

  constructor(
    plugins: readonly Plugin[],
    trouble: (plugin: string, message: string) => void,
    patience: typeof PATIENCE = PATIENCE,
  ) {
    this.#patience = patience;
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
    const begun = await Promise.allSettled(
      this.#plugins.map((plugin) => inTime(async () => await plugin.start?.(), this.#patience.start)),
    );
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
        await inTime(async () => await plugin.stop?.(), this.#patience.stop);
      } catch (error) {
        this.#trouble(plugin.name, `did not end: ${messageOf(error)}`);
      }
    }));
  }
}

async function inTime(work: () => Promise<void>, milliseconds: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`it is still at it after ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
