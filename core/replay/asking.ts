/**
 * The doors through which plugins learn of the world, with somebody who writes down what came through: name service,
 * counters, other hosts' words about recipients, whatever `ctx.outside` asks. And the same doors with what was written down behind them. Non-job: the
 * file, what replay does with what it was not told (player.ts).
 */
import { type Answer, type NameService, type RecordType, unanswered } from "../dns/answer.ts";
import { NameResolver } from "../dns/name_resolver.ts";
import type { Resolver } from "../dns/resolver.ts";
import { formatAddress } from "../model/address.ts";
import { Reply } from "../model/reply.ts";
import type { CallAhead, Question } from "../pipeline/contexts/contexts.ts";
import { type Inquiry, type Outside, OutsideError } from "../pipeline/contexts/outside.ts";
import type { CounterEntry, CounterOptions, CounterQuery, Counters } from "../store/store.ts";
import { LONGEST_ANSWER } from "./format.ts";
import type { Counted, Heard, Known, Told } from "./recording.ts";
import type { SessionTape } from "./session_tape.ts";

/** Name service whose answers are written down. */
export function recordingResolver(resolver: Resolver, tape: Pick<SessionTape, "known">): Resolver {
  const service: NameService = {
    async ask<T extends RecordType>(type: T, name: string, signal?: AbortSignal): Promise<Answer<T>> {
      const answer = await resolver.lookup(name, type, signal ? { signal } : undefined);
      tape.known(`${type} ${name}`, answer);
      return answer;
    },
  };
  return new NameResolver(service);
}

/**
 * Name service as it was. What was asked several times is answered in the order of then.
 *
 * @param options.missing told of a question that has no answer here; what it gives is the answer
 */
export function knownResolver(
  known: readonly Known[],
  options: { missing(type: RecordType, name: string, signal?: AbortSignal): Promise<Answer> },
): Resolver {
  const answers = new Map<string, Answer[]>();
  for (const { question, answer } of known) {
    const list = answers.get(question);
    if (list === undefined) answers.set(question, [answer as Answer]);
    else list.push(answer as Answer);
  }
  const service: NameService = {
    ask<T extends RecordType>(type: T, name: string, signal?: AbortSignal): Promise<Answer<T>> {
      const list = answers.get(`${type} ${name}`);
      if (list === undefined) return options.missing(type, name, signal) as Promise<Answer<T>>;
      return Promise.resolve((list.length > 1 ? list.shift()! : list[0]!) as Answer<T>);
    },
  };
  return new NameResolver(service);
}

/** Nobody is asked. */
export const SILENT_RESOLVER: Resolver = new NameResolver({
  ask: (_type, name) => Promise.resolve(unanswered("servfail", name)),
});

/** Counters, with what each held before the session first touched it written down. */
export class RecordingCounters implements Counters {
  readonly #counters: Counters;
  readonly #tape: Pick<SessionTape, "counted">;
  readonly #seen = new Set<string>();

  constructor(counters: Counters, tape: Pick<SessionTape, "counted">) {
    this.#counters = counters;
    this.#tape = tape;
  }

  async get(name: string): Promise<string | undefined> {
    const value = await this.#counters.get(name);
    this.#saw(name, value ?? null);
    return value;
  }
  async put(name: string, value: string, options: CounterOptions): Promise<void> {
    this.#seen.add(name); // what it held does not matter any more
    await this.#counters.put(name, value, options);
  }
  async add(name: string, amount: number, options: CounterOptions): Promise<number> {
    const sum = await this.#counters.add(name, amount, options), before = sum - amount;
    this.#saw(name, before === 0 ? null : String(before));
    return sum;
  }
  async list(query: CounterQuery): Promise<readonly CounterEntry[]> {
    const entries = await this.#counters.list(query);
    for (const { name, value } of entries) this.#saw(name, value);
    return entries;
  }

  #saw(name: string, value: string | null): void {
    if (this.#seen.has(name)) return;
    this.#seen.add(name);
    this.#tape.counted(name, value);
  }
}

/** What a question to another host is known by. */
function questionKey({ sender, recipient, route }: Question): string {
  return `${formatAddress(sender)} ${formatAddress(recipient)} ${JSON.stringify(route)}`;
}

/** Other hosts are asked, and their words written down. */
export function recordingCallAhead(ask: CallAhead, tape: Pick<SessionTape, "heard">): CallAhead {
  return async (question, signal) => {
    const reply = await ask(question, signal);
    tape.heard(questionKey(question), reply);
    return reply;
  };
}
/** Nobody is asked: they say what they said then. */
export function heardCallAhead(heard: readonly Heard[], unheard: (question: Question) => Reply): CallAhead {
  const replies = new Map(heard.map(({ question, reply }) => [question, parseReply(reply)]));
  return (question) => Promise.resolve(replies.get(questionKey(question)) ?? unheard(question));
}

/** Counts how often a plugin asks the same in one act. */
class Turns {
  #act = -1;
  readonly #counts = new Map<string, number>();

  of(act: number, { plugin, question }: Inquiry): number {
    if (act !== this.#act) this.#counts.clear(); // acts go one way
    this.#act = act;
    const asker = JSON.stringify([plugin, question]), turn = this.#counts.get(asker) ?? 0;
    this.#counts.set(asker, turn + 1);
    return turn;
  }
}

/**
 * What is asked outside is asked, and the answer written down. Not in `auth`, where it may be about a password; not what is
 * about a message whose content is not kept, nor in `queue`: no replay asks there. What came too late is not known either.
 *
 * @param options.bodies contents are kept
 */
export function recordingOutside(
  outside: Outside | undefined,
  { tape, bodies }: { readonly tape: Pick<SessionTape, "told" | "count">; readonly bodies: boolean },
): Outside {
  const turns = new Turns();
  return async (inquiry, ask) => {
    const asking = () => outside?.(inquiry, ask) ?? ask();
    const { plugin: by, question, phase, signal } = inquiry;
    if (phase === "auth" || phase === "queue" || phase === "data" && !bodies) return await asking();
    const act = tape.count - 1, turn = turns.of(act, inquiry);
    try {
      const answer = await asking();
      if (!signal.aborted && isKept(answer)) tape.told({ by, question, act, turn, answer, failed: "" });
      return answer;
    } catch (error) {
      if (!signal.aborted) tape.told({ by, question, act, turn, answer: null, failed: wordsOf(error) });
      throw error;
    }
  };
}

function isKept(answer: string): boolean {
  return answer.length <= LONGEST_ANSWER && UTF8.encode(answer).length <= LONGEST_ANSWER;
}
/** Without addresses on the web, in which a token may be. */
function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.slice(0, 2000).replace(/\b[A-Za-z]{1,20}:\/\/[^\s"'<>]{1,2000}/g, "(address)").slice(0, 300);
}
const UTF8 = new TextEncoder();

/**
 * Nobody is asked: what was answered then is answered now, what failed then fails.
 *
 * @param options.act the place of the act that is played
 * @param options.missing told of a question that has no answer here
 */
export function toldOutside(
  told: readonly Told[],
  { act: current, missing }: { act(): number; missing(inquiry: Inquiry, act: number): void },
): Outside {
  const key = (...parts: readonly [by: string, question: string, act: number, turn: number]) => JSON.stringify(parts);
  const answers = new Map(told.map((each) => [key(each.by, each.question, each.act, each.turn), each]));
  const turns = new Turns();
  return (inquiry) => {
    const act = current(), found = answers.get(key(inquiry.plugin, inquiry.question, act, turns.of(act, inquiry)));
    if (found === undefined) {
      missing(inquiry, act);
      return Promise.reject(new OutsideError("the recording has no answer"));
    }
    return found.answer === null ? Promise.reject(new OutsideError(found.failed)) : Promise.resolve(found.answer);
  };
}

/** A reply as a recording has it: `550 5.1.1 No such user`, or as it was on the wire. Null for any other text. */
export function parseReply(text: string): Reply | null {
  const lines = text.trimEnd().split("\r\n"), texts: string[] = [];
  let code = 0, status = "";
  for (const line of lines) {
    const [, digits, , enhanced = "", words = ""] =
      /^([2-5]\d\d)([ -]?)(?:([245]\.\d{1,3}\.\d{1,3}) )?(.*)$/s.exec(line) ?? [];
    if (digits === undefined) return null;
    [code, status] = [Number(digits), enhanced];
    texts.push(words);
  }
  try {
    return new Reply(code, status || `${String(code)[0]}.0.0`, texts.join(""), code === 421 ? { close: true } : {});
  } catch {
    return null; // code and status contradict each other: nobody of ours said that
  }
}

/**
 * Counters that are read from one place and written to another one, in memory: nothing that happens here is seen anywhere
 * else, or outlives it.
 */
export class OverlayCounters implements Counters {
  readonly #below: Pick<Counters, "get" | "list">;
  readonly #now: () => number;
  readonly #written = new Map<string, { value: string; expires: number }>();

  constructor(below: Pick<Counters, "get" | "list">, now: () => number) {
    this.#below = below;
    this.#now = now;
  }

  async get(name: string): Promise<string | undefined> {
    const own = this.#written.get(name);
    if (own === undefined) return await this.#below.get(name);
    return own.expires > this.#now() ? own.value : undefined;
  }
  put(name: string, value: string, { seconds }: CounterOptions): Promise<void> {
    this.#written.set(name, { value, expires: this.#now() + seconds * 1000 });
    return Promise.resolve();
  }
  async add(name: string, amount: number, { seconds }: CounterOptions): Promise<number> {
    const before = await this.get(name);
    const sum = (Number(before ?? 0) || 0) + amount, own = this.#written.get(name);
    const live = before !== undefined && own !== undefined;
    this.#written.set(name, { value: String(sum), expires: live ? own.expires : this.#now() + seconds * 1000 });
    return sum;
  }
  async list(query: CounterQuery): Promise<readonly CounterEntry[]> {
    const now = this.#now(), { prefix, after = "", limit } = query;
    const below = (await this.#below.list(query)).filter(({ name }) => !this.#written.has(name));
    const own = [...this.#written].map(([name, entry]) => ({ name, ...entry }))
      .filter(({ name, expires }) => name.startsWith(prefix) && name > after && expires > now);
    return [...below, ...own].sort((a, b) => a.name < b.name ? -1 : 1).slice(0, limit);
  }
}

/** What counters held at the beginning of a recorded session, and nothing else. */
export function countedCounters(counted: readonly Counted[]): Pick<Counters, "get" | "list"> {
  const values = new Map(counted.flatMap(([name, value]) => value === null ? [] : [[name, value] as const]));
  return {
    get: (name) => Promise.resolve(values.get(name)),
    list: ({ prefix, after = "", limit }) =>
      Promise.resolve(
        [...values].filter(([name]) => name.startsWith(prefix) && name > after).sort().slice(0, limit)
          .map(([name, value]) => ({ name, value, expires: Number.MAX_SAFE_INTEGER })),
      ),
  };
}
