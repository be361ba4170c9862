/** Recordings in tests: a server of this process that makes them, and the stage on which they are played again. */
import type { Config } from "../../core/config/config.ts";
import { loadConfig } from "../../core/config/load.ts";
import { enginesOf } from "../../core/engines.ts";
import type { Resolver } from "../../core/dns/resolver.ts";
import { parseRecording } from "../../core/replay/format.ts";
import { plainReply, type Recording } from "../../core/replay/recording.ts";
import { type Replayed, Stage } from "../../core/replay/stage.ts";
import { type RunningServer, startServer } from "../../core/server.ts";
import { TempFolder } from "./temp.ts";

/** A configuration in a folder of its own. */
export class RecordedSite implements AsyncDisposable {
  #server: RunningServer | null = null;
  private constructor(readonly folder: TempFolder, readonly config: Config, readonly resolver: Resolver | null) {}

  static async start(text: string, options: { readonly resolver?: Resolver } = {}): Promise<RecordedSite> {
    const folder = await TempFolder.make("postern-recorded-"), { resolver = null } = options;
    const config = await configIn(folder, text);
    const site = new RecordedSite(folder, config, resolver);
    site.#server = await startServer(config, { ...resolver && { resolver } });
    return site;
  }

  get port(): number {
    return this.portOf(0);
  }
  portOf(index: number): number {
    return Number(/\d+$/.exec(this.#server!.addresses[index]!.address)![0]);
  }
  get recordings(): string {
    return `${this.folder.path}/data/recordings`;
  }
  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = null;
  }
  /** Of each file, oldest first. Stop it before. */
  async texts(): Promise<string[]> {
    const names = [...Deno.readDirSync(this.recordings)].map(({ name }) => name).sort();
    return await Promise.all(names.map((name) => Deno.readTextFile(`${this.recordings}/${name}`)));
  }
  async read(): Promise<Recording[]> {
    return (await this.texts()).map(parseRecording);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** What a file with this text means in that folder. */
export async function configIn(folder: TempFolder, text: string, name = "postern.yaml"): Promise<Config> {
  await Deno.writeTextFile(folder.at(name), text);
  return await loadConfig({ env: {}, cwd: folder.path, file: name });
}

export function stageOf(config: Config, dns: Resolver | null = null): Stage {
  const engines = (listener: Config["listeners"][number], now: () => number) =>
    enginesOf(listener, { config, now, crowded: () => false });
  return new Stage({ config, engines, dns });
}

/** What was said then and what is said now, act by act; acts that were not played say so. */
export function sides(recording: Recording, { played }: Replayed): { readonly then: string[]; readonly now: string[] } {
  return {
    then: recording.acts.map(({ said }) => plainReply(said)),
    now: played.acts.map((act, index) => {
      // Without an answer there is nothing that could differ: the peer had left
      if (recording.acts[index]!.said === "") return "";
      return act === null ? "not played" : plainReply(act.said);
    }),
  };
}
