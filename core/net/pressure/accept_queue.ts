/**
 * How many connections the kernel has made and nobody has taken yet: where a loop takes one connection in a turn, a crowd
 * waits there and the loop itself is never late. Told by Linux alone, at a price: behind the last listening socket the
 * kernel looks through the table of all connections of the machine. Non-job: what follows (intake.ts).
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** Listening sockets come first in these files, and no more of them is made than is read. */
const FILES = { 4: "/proc/self/net/tcp", 6: "/proc/self/net/tcp6" };
/** A look that took a millisecond is the last one for so many. */
const REST = 100;
/** Milliseconds without a look at most. */
const LONGEST = 1000;
const LISTENING = "0A";
/** How often a connection found no place in a queue, of all sockets of the machine. */
const OVERFLOWS = "/proc/self/net/netstat";
/** Octets of one read, and reads at most: some two hundred listening sockets. */
const READ = 4096, READS = 8;

export class AcceptQueue {
  readonly #ports = new Set<number>();
  readonly #buffer = new Uint8Array(READ);
  /** As last told; -1: not yet; null: nobody tells. */
  #overflows: number | null = -1;
  readonly #clock: () => number;
  /** Only of the families that there is a port of: the other file has nothing, and costs the most. */
  readonly #files = new Set<string>();
  #length = 0;
  #next = -Infinity;

  /** `clock`: monotonic milliseconds. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** From now on this port counts. */
  add(port: number, { family }: { readonly family: 4 | 6 }): void {
    this.#ports.add(port);
    this.#files.add(FILES[family]);
    this.#next = -Infinity;
  }

  /**
   * Connections that wait on all of the ports; of sockets that share a port their mean. 0 where nobody tells. What was
   * seen last while looking again would cost more than a hundredth of the time.
   */
  length(): number {
    const began = this.#clock();
    if (this.#files.size === 0 || began < this.#next) return this.#length;
    this.#length = this.#look();
    const ended = this.#clock();
    this.#next = ended + Math.min((ended - began) * REST, LONGEST);
    return this.#length;
  }

  #look(): number {
    const found = new Map<number, { waiting: number; sockets: number }>();
    for (const file of this.#files) {
      try {
        this.#read(file, found);
      } catch {
        this.#files.delete(file); // not Linux, not allowed
      }
    }
    let sum = 0;
    for (const { waiting, sockets } of found.values()) sum += waiting / sockets;
    return sum;
  }

  /**
   * Connections found no place, in a queue of this machine, since it was last asked. Between two looks a queue may have been
   * full and short again: those that are sent away come again together, a second later or three.
   */
  overflowed(): boolean {
    if (this.#overflows === null) return false;
    try {
      const lines = readFileSync(OVERFLOWS, "latin1").split("\n");
      const at = lines.findIndex((line) => line.startsWith("TcpExt: "));
      const column = lines[at]!.split(" ").indexOf("ListenOverflows");
      const count = Number(lines[at + 1]!.split(" ")[column]), before = this.#overflows;
      this.#overflows = Number.isFinite(count) ? count : null;
      return before >= 0 && count > before;
    } catch {
      this.#overflows = null; // nobody tells
      return false;
    }
  }

  #read(file: string, found: Map<number, { waiting: number; sockets: number }>): void {
    const descriptor = openSync(file, "r");
    try {
      let rest = "";
      for (let i = 0; i < READS; i++) {
        const count = readSync(descriptor, this.#buffer);
        if (count === 0) return;
        const lines = (rest + String.fromCharCode(...this.#buffer.subarray(0, count))).split("\n");
        rest = lines.pop()!;
        for (const line of lines) {
          // sl local_address rem_address st tx_queue:rx_queue ...
          const fields = line.trim().split(/ +/, 5), port = parseInt(fields[1]?.split(":")[1] ?? "", 16);
          if (Number.isNaN(port)) continue; // the titles
          if (fields[3] !== LISTENING) return;
          if (!this.#ports.has(port)) continue;
          const one = found.get(port) ?? { waiting: 0, sockets: 0 };
          one.waiting += parseInt(fields[4]!.split(":")[1]!, 16);
          one.sockets++;
          found.set(port, one);
        }
      }
    } finally {
      closeSync(descriptor);
    }
  }
}
