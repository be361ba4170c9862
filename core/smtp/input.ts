/**
 * Octets of the peer that nobody has read yet. As long as they are read at once they are the host's own buffer; what has
 * to wait is copied into one that grows. Non-job: what they mean.
 */

const EMPTY = new Uint8Array(0);
/** Room for more where some waits already, octets. */
const SPARE = 16 * 1024;

export class Input {
  /** Read from `at` on. */
  octets: Uint8Array = EMPTY;
  at = 0;
  /** The buffer behind `octets` where it is ours; null while it is the host's. */
  #own: Uint8Array | null = null;

  /** How many wait. */
  get left(): number {
    return this.octets.length - this.at;
  }

  /** Takes more. They stay the host's, and a view of them is kept, when nothing waited. */
  add(octets: Uint8Array): void {
    const { left } = this;
    if (left === 0) {
      this.octets = octets;
      this.#own = null;
      this.at = 0;
      return;
    }
    let own = this.#own, end = this.octets.length;
    if (own === null || end + octets.length > own.length) {
      const length = left + octets.length;
      own = new Uint8Array(length + Math.min(length, SPARE)); // a peer that writes octet by octet pays, not we
      own.set(this.octets.subarray(this.at));
      this.#own = own;
      this.at = 0;
      end = left;
    }
    own.set(octets, end);
    this.octets = own.subarray(0, end + octets.length);
  }

  /** Nothing more can be read for now: a part of a command may wait on, in a buffer of its size. */
  rest(): null {
    if (this.left === 0) this.forget();
    else if (this.at > 0 || this.#own === null) {
      this.octets = this.#own = this.octets.slice(this.at); // a copy: the host's buffer is its own again
      this.at = 0;
    }
    return null;
  }

  forget(): void {
    this.octets = EMPTY;
    this.#own = null;
    this.at = 0;
  }
}
