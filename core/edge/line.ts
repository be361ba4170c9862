/** What became of a message as one line of JSON, for the log of a platform: who decided what, and why. */
import { formatAddress } from "../model/address.ts";
import { cut, printableJson } from "../observe/escape.ts";
import type { Arrival, Judged } from "./judge.ts";
import type { Settled } from "./delivering.ts";

const MOST_NAMED = 100;

/** As they were asked: who waited for next() says last what it thought first. */
function inOrder(decisions: Judged["decisions"]): Judged["decisions"] {
  return decisions.toReversed().sort((a, b) => (a.began ?? 0) - (b.began ?? 0)); // stable: clocks stand still there
}

/** One line; peers' text in it can fill a value and never end it. */
export function lineOf(arrival: Pick<Arrival, "via" | "from" | "to">, judged: Judged, settled: Settled): string {
  const { id, by, reason, decisions, mail } = judged, { reply, refused, lost, ms } = settled;
  return printableJson({
    event: "mail",
    id,
    via: arrival.via,
    from: cut(arrival.from),
    to: arrival.to.slice(0, MOST_NAMED).map((each) => cut(each)),
    size: settled.size,
    verdict: reply.verdict,
    reply: cut(String(reply), 500),
    ...by !== null && { by },
    ...reason !== null && { reason: cut(reason, 500) },
    ...mail !== null && mail.held !== null && { held: cut(mail.held, 500) },
    ...mail !== null && mail.scores.length > 0 && {
      score: Math.round(mail.scores.reduce((sum, { points }) => sum + points, 0) * 100) / 100,
    },
    ...refused.length > 0 && {
      refused: refused.slice(0, MOST_NAMED).map(({ address, reply }) =>
        `${formatAddress(address)}: ${cut(String(reply))}`
      ),
    },
    ...lost.length > 0 && { lost },
    ...settled.failure !== null && { failure: cut(settled.failure, 500) },
    decisions: inOrder(decisions).map(({ plugin, verdict, reason, ms, observed }) => ({
      ...{ plugin, verdict, reason: cut(reason, 500), ms: Math.round(ms * 10) / 10 },
      ...observed && { observed },
    })),
    ms: Math.round(ms),
  });
}
