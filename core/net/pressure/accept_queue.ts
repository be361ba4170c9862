/**
 * How many connections the kernel has made and nobody has taken yet: where a loop takes one connection in a turn, a crowd
 * waits there and the loop itself is never late. Told by Linux alone. Non-job: what follows (intake.ts).
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** Listening sockets come first in these files, and no more of them is made than is read. */
const FILES = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
const LISTENING = "0A";
/** How often a connection found no place in a queue, of all sockets of the machine. */
const OVERFLOWS = "/proc/self/net/netstat";
/** Octets of one read, and reads at most: some two hundred listening sockets. */
const READ = 4096, READS = 8;

export class AcceptQueue {
  readonly #ports = new Set<number>();
  readonly #buffer = new Uint8Array(READ);
  #files: readonly string[] = FILES;
  /** As last told; -1: not yet; null: nobody tells. */
  #overflows: number | null = -1;

  /** From now on this port counts. */
  add(port: number): void {
    this.#ports.add(port);
  }

  /** Connections that wait on all of the ports; of sockets that share a port their mean. 0 where nobody tells. */
  length(): number {
    if (this.#ports.size === 0) return 0;
    const found = new Map<number, { waiting: number; sockets: number }>();
    for (const file of this.#files) {
      try {
        this.#read(file, found);
      } catch {
        this.#files = this.#files.filter((each) => each !== file); // not Linux, not allowed, no IPv6
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
