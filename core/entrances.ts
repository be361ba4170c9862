/**
 * Where mail comes in: the doors of this thread and those that other threads share, opened, exchanged by a reload and
 * closed. Non-job: what is behind a door (doors.ts), the threads themselves (core/threads).
 */
import { formatEndpoint, type ListenerConfig } from "./config/config.ts";
import type { Generation } from "./generation.ts";
import { type HandedSocket, Handover } from "./net/handover.ts";
import { type Listener, ListenError } from "./net/listener.ts";
import { Acceptors, type SharedDoor } from "./threads/acceptors.ts";

/** One that is open. */
interface Entrance {
  readonly name: string;
  /** As it was configured: port 0 stays 0. */
  readonly place: string;
  /** Of this thread, or of the others. */
  readonly door: Listener | SharedDoor;
}
/** A change that can be made without fail, or given up. */
export interface Change {
  /** Whoever comes from now on finds the next generation. Nothing in it waits. */
  make(): void;
  giveUp(): Promise<void>;
}

export class Entrances {
  readonly #acceptors: Acceptors | null;
  #open: readonly Entrance[] = [];
  /** Taken out by a reload, while somebody is still there. */
  readonly #leaving = new Set<Listener>();

  /** `acceptors`: threads that talk SMTP; null: this one does. */
  constructor(acceptors: Acceptors | null) {
    this.#acceptors = acceptors;
  }

  get list(): readonly { readonly name: string; readonly address: string; readonly connections: number }[] {
    return this.#open.map(({ name, door: { address, connections } }) => ({ name, address, connections }));
  }

  /** At the start. @throws {ListenError} */
  async open({ config, doors }: Generation, sockets: readonly HandedSocket[]): Promise<void> {
    const handover = new Handover(sockets);
    let unclaimed: readonly string[] = [];
    try {
      for (const each of config.listeners) {
        const adopted = handover.take(each.name, each.address);
        const door = adopted === null && this.#isShared(each)
          ? await this.#acceptors!.open(each)
          : await doors.open(each, adopted);
        this.#open = [...this.#open, { name: each.name, place: formatEndpoint(each.address), door }];
      }
    } finally {
      unclaimed = handover.close();
    }
    if (unclaimed.length > 0) { // peers would connect there, and wait for nobody
      throw new ListenError(`no listener has the address or the name of what was handed over: ${unclaimed.join(", ")}`);
    }
  }

  /**
   * Makes everything ready for another configuration, in all threads.
   *
   * @throws {Error} and nothing has changed.
   */
  async plan({ config, doors }: Generation): Promise<Change> {
    const acceptors = this.#acceptors, end = await acceptors?.begin() ?? (() => {});
    const gone = [...this.#open];
    const planned = config.listeners.map((each) => {
      const place = formatEndpoint(each.address), at = gone.findIndex((known) => known.place === place);
      return { config: each, place, kept: at < 0 ? null : gone.splice(at, 1)[0]! };
    });
    const opened = new Map<string, Listener | SharedDoor>();
    const giveUp = async () => {
      const all = [...opened.values()];
      await Promise.all([
        ...all.map((door) => "drain" in door && door.drain(0)),
        acceptors?.abandon(all.flatMap((door) => "door" in door ? [door.door] : [])),
      ]);
      end();
    };
    try {
      await acceptors?.prepare(config);
      for (const { config: each, kept } of planned) {
        if (kept !== null) continue;
        opened.set(each.name, this.#isShared(each) ? await acceptors!.open(each) : await doors.open(each, null));
      }
    } catch (error) {
      await giveUp();
      throw error;
    }
    return {
      giveUp,
      make: () => {
        this.#open = planned.map(({ config: each, place, kept }) => {
          const door = kept?.door ?? opened.get(each.name)!;
          if (kept !== null && "renew" in door) door.renew(doors.behind(each));
          return { name: each.name, place, door };
        });
        for (const { door } of gone) if ("retire" in door) this.#retire(door);
        acceptors?.switch(
          config,
          this.#open.flatMap(({ name, door }) => "door" in door ? [{ name, door: door.door }] : []),
        );
        end();
      },
    };
  }

  /** Stops accepting, lets messages under way finish, and cuts what is left after so many milliseconds. */
  async drain(milliseconds: number): Promise<void> {
    await Promise.all([
      ...this.#open.map(({ door }) => "drain" in door && door.drain(milliseconds)),
      ...[...this.#leaving].map((listener) => listener.drain(milliseconds)),
      this.#acceptors?.drain(milliseconds),
    ]);
  }

  #isShared(config: ListenerConfig): boolean {
    return this.#acceptors !== null && Acceptors.serves(config);
  }

  #retire(listener: Listener): void {
    this.#leaving.add(listener);
    void listener.retire().finally(() => this.#leaving.delete(listener));
  }
}
