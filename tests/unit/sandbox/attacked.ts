/** A plugin apart that is asked for bad things while others are at work in it. Non-job: what comes of it (attacks_test.ts). */
import { type Plugin, runPhase, type SimulatedResult } from "postern";
import { sandboxed, type SandboxedOptions } from "../../../core/sandbox/sandboxed.ts";

/** What a message that loops came to. */
export interface Looped {
  readonly reason: string;
  readonly code: number;
  readonly told: readonly string[];
  /** What one more message is told. */
  readonly after: string;
}

export class Attacked implements AsyncDisposable {
  private constructor(readonly plugin: Plugin, readonly told: string[]) {}

  static async open(module: URL, options: object = {}, limits: SandboxedOptions = {}): Promise<Attacked> {
    const told: string[] = [];
    return new Attacked(await sandboxed(module, options, { ...limits, trouble: (text) => void told.push(text) }), told);
  }

  /** A message whose sender says what the plugin is to do. */
  ask(local: string, plugin = this.plugin): Promise<SimulatedResult> {
    return runPhase(plugin, "mail", { from: `${local}@example.net` });
  }

  /** Neighbours are open when it comes, and one more comes behind it. Throws where one of them is harmed. */
  async among(local: string): Promise<{ readonly reason: string; readonly code: number }> {
    const before = [this.ask("good"), this.ask("good")], attack = this.ask(local), behind = this.ask("good");
    for (const each of await Promise.all([...before, behind])) {
      if (each.reply.code !== 250) throw new Error(`a neighbour of ${local} was harmed: ${reasonOf(each)}`);
    }
    const result = await attack;
    return { reason: reasonOf(result), code: result.reply.code };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.plugin.stop!();
  }
}

export function reasonOf({ decisions }: SimulatedResult): string {
  return decisions.find(({ plugin }) => plugin === "attacks")?.reason ?? "";
}
