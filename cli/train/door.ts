/**
 * Two ways to those who learn: the HTTP API of the running server, or the plugins of the configuration over the data folder
 * where no server runs. Non-job: which messages (sources.ts).
 */
import type { Config } from "../../core/config/config.ts";
import type { Lesson } from "../../core/pipeline/plugin.ts";
import { type AdminApi, runningServer } from "../admin_api.ts";

export interface TrainDoor {
  /** What each plugin that learns says. */
  teach(content: Uint8Array<ArrayBuffer>, as: Lesson): Promise<readonly string[]>;
  /** What they know. */
  status(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/**
 * The running server of this configuration, else its data folder.
 *
 * @throws {CommandError} when neither is there or nobody learns, {StoreError} when the folder cannot be had.
 */
export async function openTraining(config: Config): Promise<TrainDoor> {
  const api = await runningServer(config);
  if (api !== null) return new HttpTraining(api);
  const { openStoredTraining } = await import("./folder.ts"); // only where it is needed
  return await openStoredTraining(config);
}

const PATH = "/api/v1/train";

export class HttpTraining implements TrainDoor {
  constructor(readonly api: AdminApi) {}

  async teach(content: Uint8Array<ArrayBuffer>, as: Lesson): Promise<readonly string[]> {
    return says(await this.api.call("POST", `${PATH}?as=${as}`, content));
  }
  async status(): Promise<readonly string[]> {
    return says(await this.api.call("GET", PATH));
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function says(answer: unknown): readonly string[] {
  return (answer as { says?: readonly string[] } | null)?.says ?? [];
}
