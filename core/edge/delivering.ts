/**
 * From a verdict to what is said of a message: hands it on where it was accepted, within its time, and makes one answer of
 * what became of its recipients. Nothing is lost in silence: what is not safe somewhere is refused or put off.
 * Non-job: judging (judge.ts), saying it as the platform wants it (email_event.ts, http_post.ts).
 */
import { sameAddress } from "../model/address.ts";
import { defer, reject, type Reply } from "../model/reply.ts";
import { carriedFields } from "./fields.ts";
import type { Judged } from "./judge.ts";
import type { EdgeDelivery, EdgeMail, EmailActions, EventDelivery, NotDelivered } from "./mail.ts";

/** What the sender is told, and what the log says beside it. */
export interface Settled {
  readonly reply: Reply;
  /** Of an accepted message: who does not get it. */
  readonly refused: Judged["refused"];
  /** Fields whose change could not go along. */
  readonly lost: readonly string[];
  /** What went wrong on the way on; never for the peer. */
  readonly failure: string | null;
  readonly size: number;
  readonly ms: number;
}
export interface Ways {
  readonly deliver: EdgeDelivery | EventDelivery;
  readonly quarantine: EdgeDelivery | EventDelivery | null;
  /** Milliseconds. */
  readonly patience: number;
}

type Outcome = Omit<Settled, "size" | "ms">;
const HELD = reject("5.7.1", "Message content is not accepted here");
const LOCAL = defer("4.3.0", "Local error in processing");
const only = (reply: Reply, failure: string | null = null): Outcome => ({ reply, refused: [], lost: [], failure });

/** Never rejects. `actions`: what the event can do, made for the mail; null where there is no event. */
export async function settle(
  { reply, mail, refused }: Judged,
  ways: Ways,
  actions: ((mail: EdgeMail) => EmailActions) | null,
): Promise<Outcome> {
  if (mail === null) return only(reply);
  // Some are to come again: were the others served now, the repetition would serve them twice
  const later = refused.find((each) => each.reply.verdict === "defer");
  if (later !== undefined) return only(later.reply);
  const way = mail.held === null ? ways.deliver : ways.quarantine;
  if (way === null) return only(HELD);
  const late = new AbortController();
  const whole: EdgeMail = { ...mail, signal: late.signal };
  let failed: readonly NotDelivered[];
  try {
    failed = await inTime(ways.patience, late, async () => {
      if (way.carries === "message") return await way.deliver(whole);
      if (actions === null) throw new TypeError("there is no event to forward by");
      return await way.deliver({ ...whole, ...actions(whole) });
    }) ?? [];
  } catch (error) {
    return only(LOCAL, error instanceof Error ? error.message : String(error));
  }
  const lost = way.carries === "message" ? [] : carriedFields(mail).lost;
  const again = failed.find((each) => each.reply.verdict === "defer");
  if (again !== undefined) return { ...only(again.reply), lost };
  const more = failed.map(({ recipient, reply }) => ({ address: recipient.address, reply }));
  const all = mail.recipients.every(({ address }) => more.some((each) => sameAddress(each.address, address)));
  if (more.length > 0 && all) return { reply: more[0]!.reply, refused: [], lost, failure: null };
  return { reply, refused: [...refused, ...more], lost, failure: null };
}

/** What `work` gives, or an error once the time is over: nobody waits for it any more, and its signal says so. */
async function inTime<T>(milliseconds: number, late: AbortController, work: () => Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<never>((_, fail) => {
    timer = setTimeout(() => {
      late.abort(new DOMException("the time for handing it on is over", "TimeoutError"));
      fail(new Error(`it was not handed on within ${milliseconds} ms`));
    }, milliseconds);
  });
  try {
    return await Promise.race([work(), over]);
  } finally {
    clearTimeout(timer);
  }
}
