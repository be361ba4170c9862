/** What became of mail on its way out: outcomes, how long they took, and both for the busiest domains. */
import type { Bounced, Deferred, Delivered } from "../events.ts";
import { Busiest } from "./busiest.ts";
import type { Exposition, Sample } from "./exposition.ts";
import { Histogram } from "./histogram.ts";

const OUTCOMES = ["delivered", "deferred", "bounced", "expired", "held"] as const;
type Outcome = typeof OUTCOMES[number];
const PLACE: Readonly<Record<Outcome, number>> = { delivered: 0, deferred: 1, bounced: 2, expired: 3, held: 4 };
/** Of a delivery: at once, after a greylist, after days. Seconds. */
const DELAYS: readonly number[] = [0.1, 1, 10, 60, 600, 3600, 14_400, 86_400, 432_000];
/** Of an attempt: from a pooled connection to hosts that let us wait for all their minutes. Seconds. */
const ATTEMPTS: readonly number[] = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1200];

export class DeliveryMeasures {
  readonly #outcomes = new Float64Array(OUTCOMES.length);
  readonly #delays = new Histogram(DELAYS);
  readonly #attempts = new Histogram(ATTEMPTS);
  readonly #domains: Busiest;

  /** `domains`: how many have counts of their own. */
  constructor(domains: number) {
    this.#domains = new Busiest(domains, OUTCOMES.length);
  }

  /** An attempt is over. */
  told(event: Delivered | Deferred | Bounced): void {
    const { type, recipient, delay, ms } = event;
    this.#count(type === "bounced" && event.expired ? "expired" : type, recipient);
    if (type === "delivered") this.#delays.add(delay / 1000);
    if (ms !== undefined) this.#attempts.add(ms / 1000);
  }

  held(recipient: string): void {
    this.#count("held", recipient);
  }

  #count(outcome: Outcome, recipient: string): void {
    const place = PLACE[outcome];
    this.#outcomes[place]!++;
    this.#domains.add(recipient.slice(recipient.lastIndexOf("@") + 1), place);
  }

  write(to: Exposition): void {
    to.counter({
      name: "postern_deliveries",
      help: "Recipients that the queue brought to an end or a wait; what was stored before the 250 is not here.",
    }, outcomes(this.#outcomes));
    to.counter(
      { name: "postern_domain_deliveries", help: "The same for the domains with most mail." },
      [...this.#domains.entries()].flatMap(([domain, counts]) =>
        outcomes(counts).map(([labels, count]): Sample => [{ domain, ...labels }, count])
      ),
    );
    to.histogram({
      name: "postern_delivery_delay_seconds",
      help: "From the last octet to the delivery of a recipient by the queue.",
      unit: "seconds",
    }, this.#delays);
    to.histogram({
      name: "postern_delivery_attempt_seconds",
      help: "How long the attempt at a recipient took.",
      unit: "seconds",
    }, this.#attempts);
  }
}

function outcomes(counts: Float64Array): Sample[] {
  return OUTCOMES.flatMap((outcome, at) => counts[at]! > 0 ? [[{ outcome }, counts[at]!]] as Sample[] : []);
}
