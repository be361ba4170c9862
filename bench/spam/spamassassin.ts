/**
 * Debian's spamassassin on the same messages: without network, without its own classifier, everything else as it comes.
 * One process for many messages. Non-job: figures (main.ts).
 */
import type { Sample } from "./corpus.ts";

export interface Scored {
  readonly sample: Sample;
  readonly points: number;
}

/** Its path; null where it is not installed. */
export function spamassassin(): string | null {
  const path = "/usr/bin/spamassassin";
  try {
    return Deno.statSync(path).isFile ? path : null;
  } catch {
    return null;
  }
}

/**
 * What is said to it beside its defaults. The dates of the corpus were taken away, so the rules that compare dates are off:
 * they would hit all mail alike.
 */
const PREFERENCES = [
  "use_bayes 0",
  "bayes_auto_learn 0",
  "use_auto_whitelist 0",
  "report_safe 0",
  "score MSGID_OUTLOOK_INVALID 0",
  ...["03_06", "06_12", "12_24", "24_48", "96_XX", "96_Q", "Q_PLUS"].flatMap((span) =>
    ["PAST", "FUTURE"].map((way) => `score DATE_IN_${way}_${span} 0`)
  ),
];

/** The points it gives to each; it calls 5 and more spam. */
export async function judgedBySpamassassin(samples: readonly Sample[], folder: string): Promise<Scored[]> {
  const program = spamassassin();
  if (program === null) throw new Error("there is no spamassassin");
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/user_prefs`, PREFERENCES.join("\n") + "\n");
  const halves = [0, 1].map((half) => samples.filter((_, at) => at % 2 === half));
  return (await Promise.all(halves.map((part, at) => run(program, part, `${folder}/part${at}`)))).flat();
}

async function run(program: string, samples: readonly Sample[], name: string): Promise<Scored[]> {
  const mbox = await Deno.open(`${name}.mbox`, { write: true, create: true, truncate: true });
  const writer = mbox.writable.getWriter();
  for (const [at, { octets }] of samples.entries()) {
    const text = new TextDecoder("latin1").decode(octets).replace(/\r\n/g, "\n").replace(/^(>*From )/gm, ">$1");
    const marked = `From sender@example.net Thu Jan 15 12:00:00 2026\nX-Place: ${at}\n${text.trimEnd()}\n\n`;
    await writer.write(Uint8Array.from(marked, (char) => char.charCodeAt(0)));
  }
  await writer.close();
  const { stdout, success, stderr } = await new Deno.Command(program, {
    args: ["-L", "-p", name.replace(/part\d$/, "user_prefs"), "--mbox", `${name}.mbox`],
    env: { HOME: name.replace(/\/part\d$/, "") },
  }).output();
  if (!success) throw new Error(`spamassassin: ${new TextDecoder().decode(stderr).slice(0, 500)}`);
  const scored: Scored[] = [];
  for (const message of new TextDecoder("latin1").decode(stdout).split(/^From sender@example\.net .*\n/m)) {
    const head = message.slice(0, message.indexOf("\n\n"));
    const place = /^X-Place: (\d+)$/m.exec(head)?.[1], score = /^X-Spam-Status: \w+, score=(-?[\d.]+)/m.exec(head)?.[1];
    if (place !== undefined && score !== undefined) {
      scored.push({ sample: samples[Number(place)]!, points: Number(score) });
    }
  }
  return scored;
}
