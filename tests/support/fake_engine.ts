/**
 * An engine made for tests, on a port of loopback or a socket file: what it does with each connection is a function of the
 * test's, so that it can be slow, silent, rude or wrong on purpose. Non-job: any protocol.
 */
import { latin1, octets } from "./bytes.ts";

/** One connection, from the engine's side. */
export interface EngineSide {
  /** Everything that was heard so far, one character an octet. */
  heard(): string;
  /** Reads until what was heard fits, or the other side ends; says whether it fits. */
  until(fits: (heard: string) => boolean): Promise<boolean>;
  say(text: string): Promise<void>;
  /** Never resolves before the engine is disposed of. */
  forever(): Promise<void>;
}

export class FakeEngine implements AsyncDisposable {
  connections = 0;
  readonly #listener: Deno.Listener<Deno.TcpConn | Deno.UnixConn>;
  readonly #open = new Set<Deno.Conn>();
  readonly #serve: (side: EngineSide) => Promise<void>;
  readonly #serving: Promise<void>;
  #end!: () => void;
  readonly #ended = new Promise<void>((resolve) => this.#end = resolve);

  /** `at`: a port, or the path of a socket file; default: any free port. The connection is closed when `serve` ends. */
  constructor(serve: (side: EngineSide) => Promise<void>, at: number | string = 0) {
    this.#serve = serve;
    this.#listener = typeof at === "string"
      ? Deno.listen({ transport: "unix", path: at })
      : Deno.listen({ hostname: "127.0.0.1", port: at });
    this.#serving = this.#accept();
  }

  /** Says `answer` as soon as what it heard fits. */
  static answering(fits: (heard: string) => boolean, answer: string): FakeEngine {
    return new FakeEngine(async (side) => {
      if (await side.until(fits)) await side.say(answer);
    });
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }
  get place(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  async #accept(): Promise<void> {
    const all = new Set<Promise<void>>();
    for await (const conn of this.#listener) {
      this.connections++;
      this.#open.add(conn);
      const served = this.#serve(this.#side(conn)).catch(() => {}).finally(() => {
        this.#open.delete(conn);
        close(conn);
        all.delete(served);
      });
      all.add(served);
    }
    await Promise.all(all);
  }

  #side(conn: Deno.Conn): EngineSide {
    const buffer = new Uint8Array(65_536), parts: string[] = [];
    const heard = () => parts.join("");
    const until = async (fits: (heard: string) => boolean) => {
      while (!fits(heard())) {
        const count = await conn.read(buffer);
        if (count === null) return false;
        parts.push(latin1(buffer.subarray(0, count)));
      }
      return true;
    };
    const say = async (text: string) => {
      for (let rest = octets(text); rest.length > 0;) rest = rest.subarray(await conn.write(rest));
    };
    return { heard, until, say, forever: () => this.#ended };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    this.#listener.close();
    for (const conn of this.#open) close(conn);
    await this.#serving;
  }
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch { /* it is */ }
}
