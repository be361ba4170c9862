/**
 * A mail server as a process of its own (raw_sink.ts): it survives the SIGKILL of whoever sends to it, and may be killed
 * itself. What it took stands in a folder before its 250: the octets in a file `NAME`, and a line of JSON in `record`
 * (sink_process.ts reads both). With `--trouble` it is slow, refuses and closes at random, so many times of a thousand
 * steps, by its seed.
 *
 *     deno run -A tests/support/sink_child.ts --port PORT --folder FOLDER --seed SEED [--trouble PERMILLE] [--slow MS]
 *
 * Whatever the trouble: `no…` is never known here, `later…` is let in when it asks the second time, and mail from nobody
 * is refused only for a while.
 */
import { setTimeout as timer } from "node:timers/promises";
import { Random } from "./random.ts";
import { RawSink, type SinkMoment } from "./raw_sink.ts";

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

/** What it says and does, by its seed. */
class Temper {
  readonly #random: Random;
  readonly #seen = new Set<string>();

  constructor(seed: number, readonly trouble: number, readonly slow: number) {
    this.#random = new Random(seed);
  }

  async answer(moment: SinkMoment): Promise<string | null | undefined> {
    const { step, argument } = moment;
    if (step === "taken" && this.slow > 0) await timer(this.#random.below(this.slow + 1));
    if (step === "rcpt" && argument.startsWith("no")) return "550 5.1.1 Nobody of that name";
    if (step === "rcpt" && argument.startsWith("later") && !this.#seen.has(argument)) {
      this.#seen.add(argument);
      return "451 4.2.0 Come again";
    }
    return this.#random.below(1000) < this.trouble ? await this.#misbehave(moment) : undefined;
  }

  async #misbehave({ step, from }: SinkMoment): Promise<string | null | undefined> {
    const refusals: Partial<Record<typeof step, readonly string[]>> = {
      mail: ["552 5.3.4 Not that"],
      rcpt: ["554 5.7.1 Not for that one"],
      data: ["554 5.7.1 Not now, not ever"],
      dot: ["554 5.6.0 Not this"],
    };
    const forGood = from === null || from === "" ? [] : refusals[step] ?? [];
    const replies = step === "content" || step === "taken" || step === "quit" ? [] : [
      "421 4.3.2 Going down",
      ...step === "greeting" ? [] : ["451 4.3.0 Trouble"],
      ...forGood,
    ];
    const kind = this.#random.below(4);
    if (kind === 0) {
      await timer(this.#random.below(50));
      return undefined;
    }
    return kind === 1 || replies.length === 0 ? null : this.#random.pick(replies);
  }
}

if (import.meta.main) {
  const folder = option("folder")!, life = crypto.randomUUID().slice(0, 8);
  const record = Deno.openSync(`${folder}/record`, { append: true, create: true });
  const write = (line: string) => record.writeSync(new TextEncoder().encode(`${line}\n`));
  write(""); // what was cut by a kill ends here
  const temper = new Temper(
    Number(option("seed") ?? 1),
    Number(option("trouble") ?? 0),
    Number(option("slow") ?? 0),
  );
  const sink = new RawSink({
    port: Number(option("port") ?? 0),
    answer: (moment) => temper.answer(moment),
    take: ({ number, helo, from, to, message }) => {
      const name = `${life}-${number}`;
      Deno.writeFileSync(`${folder}/${name}`, message);
      write(JSON.stringify({ took: name, helo, from, to }));
    },
    known: (number) => void write(JSON.stringify({ known: `${life}-${number}` })),
  });
  console.log(`listening on ${sink.port}`);
}
