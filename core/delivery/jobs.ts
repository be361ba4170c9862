/**
 * The jobs that a dispatcher has in hand, by message and recipient, so that nobody is tried twice at once; and how many
 * octets of bodies they bring along. Pure. Non-job: whose turn it is (window.ts), leases (the store's).
 */
import type { Lease, StoredRecipient } from "../store/store.ts";
import type { Target } from "./target.ts";

/** Recipients of one lease that go to one target. */
export interface Job {
  /** Its octets where they are at hand: of mail that has just come. */
  readonly body: Uint8Array<ArrayBuffer> | null;
  lease: Lease;
  readonly recipients: readonly StoredRecipient[];
  readonly target: Target;
  readonly key: string;
}

const CARRIED = 16 * 1024 * 1024; // octets of bodies that jobs bring along

/** Those that wait or are under way. */
export class Jobs {
  readonly #known = new Map<string, Job>();
  #carried = 0;

  /** Whether a job may bring a body of so many octets along; else it is read again. */
  mayCarry(octets: number): boolean {
    return this.#carried + octets <= CARRIED;
  }

  add(job: Job): void {
    for (const recipient of job.recipients) this.#known.set(nameOf(job, recipient), job);
    this.#carried += job.body?.length ?? 0;
  }

  /** Fine for one that was never added. */
  remove(job: Job): void {
    let known = false;
    for (const recipient of job.recipients) known = this.#known.delete(nameOf(job, recipient)) || known;
    if (known) this.#carried -= job.body?.length ?? 0;
  }

  /**
   * A lease of our own ended under way: an attempt took longer, or the wall clock jumped. What is known of it goes on under
   * the new one; what is not comes back as a job, null when that is nobody.
   */
  withoutKnown(job: Job): Job | null {
    const recipients = job.recipients.filter((recipient) => {
      const known = this.#known.get(nameOf(job, recipient));
      if (known === undefined) return true;
      known.lease = job.lease;
      return false;
    });
    if (recipients.length === job.recipients.length) return job;
    return recipients.length === 0 ? null : { ...job, recipients };
  }
}

function nameOf({ lease }: Job, { index }: StoredRecipient): string {
  return `${lease.message.id} ${index}`;
}
