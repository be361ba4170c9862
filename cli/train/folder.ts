/** Training in a data folder that no server holds. Loaded only when it is needed, as data_folder.ts is. */
import type { Config } from "../../core/config/config.ts";
import { teacherOf } from "../../core/pipeline/errands.ts";
import { openFolder } from "../data_folder.ts";
import { CommandError } from "../terminal.ts";
import type { TrainDoor } from "./door.ts";

export async function openStoredTraining(config: Config): Promise<TrainDoor> {
  const store = await openFolder(config);
  const plugins = config.listeners.flatMap((each) => each.plugins);
  const teach = teacherOf(plugins, { counters: store.counters, now: Date.now, emit: () => {} });
  if (teach === null) {
    await store.close();
    throw new CommandError("no plugin of this configuration learns: spam_score does, where it is in the list");
  }
  return { teach, status: () => teach(new Uint8Array(), "ham"), close: () => store.close() };
}
