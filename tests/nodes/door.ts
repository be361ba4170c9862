/**
 * A way to a database that can be led elsewhere, as the address of a cluster that fails over: octets go on to the port of
 * the moment. Non-job: the databases.
 */
export class Door implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.TcpConn>();
  readonly #serving: Promise<void>;
  #target: number;

  constructor(target: number) {
    this.#target = target;
    this.#serving = this.#serve();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** From now on it leads there; who is on the way to the old place is cut off. */
  leadTo(target: number): void {
    this.#target = target;
    this.cut();
  }

  cut(): void {
    for (const conn of this.#open) close(conn);
    this.#open.clear();
  }

  async #serve(): Promise<void> {
    for await (const conn of this.#listener) void this.#pass(conn);
  }

  async #pass(conn: Deno.TcpConn): Promise<void> {
    this.#open.add(conn);
    let behind: Deno.TcpConn | null = null;
    try {
      behind = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
      if (!this.#open.has(conn)) throw new Error("cut meanwhile");
      this.#open.add(behind);
      conn.setNoDelay(true);
      behind.setNoDelay(true);
      await Promise.any([copy(conn, behind), copy(behind, conn)]); // who loses one side has lost both
    } catch {
      /* nobody is there, or one side was cut */
    } finally {
      for (const each of [conn, behind]) {
        if (each === null) continue;
        this.#open.delete(each);
        close(each);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#serving;
  }
}

async function copy(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const chunk = new Uint8Array(65_536);
  for (;;) {
    const size = await from.read(chunk).catch(() => null);
    if (size === null) return;
    for (let at = 0; at < size;) {
      const written = await to.write(chunk.subarray(at, size)).catch(() => null);
      if (written === null) return;
      at += written;
    }
  }
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch { /* it is closed */ }
}
