/**
 * From a configuration to houses in which recordings can be played: one for each listener, and the services of each
 * session, with the recording's answers. Non-job: playing (player.ts).
 */
import type { Config, ListenerConfig } from "../config/config.ts";
import { type RecordType, unanswered as silence } from "../dns/answer.ts";
import type { Resolver } from "../dns/resolver.ts";
import { defer } from "../model/reply.ts";
import type { Event } from "../observe/events.ts";
import { countedCounters, heardCallAhead, knownResolver, OverlayCounters, toldOutside } from "./asking.ts";
import { compare, type Comparison } from "./compare.ts";
import { DryHouse, type HouseOptions } from "./house.ts";
import { play, type Played } from "./player.ts";
import type { Recording } from "./recording.ts";

export interface StageOptions {
  readonly config: Config;
  /** How an engine is set (core/engines.ts). */
  readonly engines: (listener: ListenerConfig, now: () => number) => ReturnType<HouseOptions["engines"]>;
  /** Asked what a recording does not know; null: nobody is, and what is not known is a failure. */
  readonly dns: Resolver | null;
  /** Plugins that talk to a program beside the server, and not by `ctx.outside`, are asked (default: not). */
  readonly scanners?: boolean;
}
/** What came of one recording. */
export interface Replayed extends Comparison {
  readonly listener: string;
  /** Questions that the recording has no answer to. */
  readonly missing: readonly string[];
  /** Plugins that asked, or would have asked, somebody of whom the recording knows no answer. */
  readonly unasked: readonly string[];
  /** Why the rest was left out; null: it was played to its end. */
  readonly left: string | null;
  readonly played: Played;
}

/** No listener of the configuration can take it. */
export class StageError extends Error {
  override readonly name = "StageError";
}

export class Stage {
  readonly #options: StageOptions;
  readonly #houses = new Map<string, DryHouse>();

  constructor(options: StageOptions) {
    this.#options = options;
  }

  /** The house for a session that came in there: that listener, else the first of its role. @throws {StageError} */
  houseOf({ listener: name, role }: Pick<Recording, "listener" | "role">): DryHouse {
    const { config, engines, scanners = false } = this.#options, { listeners } = config;
    const listener = listeners.find((each) => each.name === name && each.role === role) ??
      listeners.find((each) => each.role === role);
    if (listener === undefined) throw new StageError(`the configuration has no listener of the role ${role}`);
    let house = this.#houses.get(listener.name);
    if (house === undefined) {
      house = new DryHouse({ config, listener, engines: (now) => engines(listener, now), scanners });
      this.#houses.set(listener.name, house);
    }
    return house;
  }

  /** Plays one. One at a time. @throws {StageError} */
  async replay(recording: Recording, observe: (event: Event) => void = () => {}): Promise<Replayed> {
    const house = this.houseOf(recording), missing = new Set<string>(), { dns } = this.#options;
    const unanswered = { plugins: new Set<string>(), acts: new Set<number>() };
    house.unasked.clear();
    const played = await play(recording, house, {
      dns: knownResolver(recording.known, {
        async missing(type: RecordType, name, signal) {
          missing.add(`${type} ${name}`);
          if (dns === null) return silence("servfail", name);
          return await dns.lookup(name, type, signal ? { signal } : undefined);
        },
      }),
      counters: new OverlayCounters(countedCounters(recording.counted), () => recording.at),
      callAhead: heardCallAhead(recording.heard, ({ recipient: { domain } }) => {
        missing.add(`whether ${domain} takes the recipient`);
        return defer("4.4.1", "A replay asks no other server");
      }),
      outside: (act) =>
        toldOutside(recording.told, {
          act,
          missing({ plugin, question }, at) {
            missing.add(question);
            unanswered.plugins.add(plugin);
            unanswered.acts.add(at);
          },
        }),
      emit: observe,
    });
    const { unasked } = house;
    return {
      ...compare(recording, played, { unasked, unanswered: unanswered.acts }),
      listener: house.listener.name,
      missing: [...missing],
      unasked: [...unasked.union(unanswered.plugins)],
      left: played.left,
      played,
    };
  }
}
