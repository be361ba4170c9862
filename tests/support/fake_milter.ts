/**
 * A milter that does what a test says: it hears packets on a port of loopback, notes them in a readable form, and answers
 * each with what the script gives. Job: the wire. Non-job: good manners; a test may let it say anything.
 */
import { octets } from "./bytes.ts";

/** A packet: letter and data, one character an octet. */
export function packet(letter: string, data: string | Uint8Array = ""): Uint8Array<ArrayBuffer> {
  const bytes = typeof data === "string" ? octets(data) : data;
  const whole = new Uint8Array(5 + bytes.length);
  new DataView(whole.buffer).setUint32(0, 1 + bytes.length);
  whole[4] = letter.charCodeAt(0);
  whole.set(bytes, 5);
  return whole;
}

/** A number in four octets, as characters. */
export function uint32(value: number): string {
  return String.fromCharCode(value >>> 24, value >>> 16 & 255, value >>> 8 & 255, value & 255);
}

/** What it says first: the version, what it wants to do, the steps it leaves out or does not answer. */
export function agreed(version = 6, actions = 0x1ff, steps = 0, symbols = ""): Uint8Array<ArrayBuffer> {
  return packet("O", uint32(version) + uint32(actions) + uint32(steps) + symbols);
}

export interface HeardPacket {
  readonly letter: string;
  /** Characters are octets. */
  readonly data: string;
  /** Which connection, from 0. */
  readonly connection: number;
}
/** Octets to say, or "hang up", or nothing. Letters are packets without data. */
export type Said = Uint8Array | string | "hang up" | null;
/** What to say to a packet. It may take its time. */
export type Script = (heard: HeardPacket) => Said | readonly Said[] | Promise<Said | readonly Said[]>;

/** Agrees, and has nothing against anything. Macros, ABORT and QUIT have no answer. */
export const harmless: Script = ({ letter }) => letter === "O" ? agreed() : "DAQK".includes(letter) ? null : "c";

export class FakeMilter implements AsyncDisposable {
  readonly heard: HeardPacket[] = [];
  connections = 0;
  /** Connections that have ended. */
  ended = 0;
  script: Script;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #running: Promise<void>;

  constructor(script: Script = harmless) {
    this.script = script;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#running = this.#serve();
  }

  get place(): string {
    return `tcp://127.0.0.1:${this.#listener.addr.port}`;
  }
  /** The letters of what was heard, macros left out. */
  get letters(): string {
    return this.heard.map(({ letter }) => letter).filter((letter) => letter !== "D").join("");
  }
  /** The data of all packets of that letter. */
  data(letter: string): string[] {
    return this.heard.filter((each) => each.letter === letter).map(({ data }) => data);
  }
  /** Macros that were sent in front of a command, the last time. */
  macros(command: string): Record<string, string> {
    const found = this.data("D").findLast((data) => data[0] === command)?.slice(1).split("\0") ?? [];
    return Object.fromEntries(
      found.slice(0, -1).flatMap((each, at, all) => at % 2 === 0 ? [[each, all[at + 1]!]] : []),
    );
  }

  async #serve(): Promise<void> {
    const talks: Promise<void>[] = [];
    for await (const conn of this.#listener) {
      this.#open.add(conn);
      talks.push(this.#talk(conn, this.connections++));
    }
    await Promise.all(talks);
  }

  async #talk(conn: Deno.TcpConn, connection: number): Promise<void> {
    let rest = new Uint8Array(0);
    try {
      for await (const chunk of conn.readable) {
        const all = new Uint8Array(rest.length + chunk.length);
        all.set(rest);
        all.set(chunk, rest.length);
        rest = all;
        for (;;) {
          const size = rest.length < 4 ? Infinity : new DataView(rest.buffer, rest.byteOffset).getUint32(0);
          if (rest.length < 4 + size) break;
          const data = rest.subarray(5, 4 + size);
          let text = "";
          for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
          const heard = { letter: String.fromCharCode(rest[4]!), data: text, connection };
          rest = rest.slice(4 + size);
          this.heard.push(heard);
          const answers = await this.script(heard);
          for (const said of Array.isArray(answers) ? answers as Said[] : [answers as Said]) {
            if (said === "hang up") return conn.close();
            if (said !== null) await write(conn, typeof said === "string" ? packet(said) : said);
          }
        }
      }
    } catch {
      /* the connection broke */
    } finally {
      this.ended++;
      this.#open.delete(conn);
    }
  }

  /** Says it on every connection that is open now, asked or not. */
  async say(said: Uint8Array | string): Promise<void> {
    for (const conn of this.#open) await write(conn, typeof said === "string" ? packet(said) : said);
  }
  /** The end of every connection that is open now. */
  hangUp(): void {
    for (const conn of this.#open) {
      try {
        conn.close();
      } catch { /* it is closed */ }
    }
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.hangUp();
    await this.#running;
  }
}

async function write(conn: Deno.TcpConn, octets: Uint8Array): Promise<void> {
  for (let at = 0; at < octets.length;) at += await conn.write(octets.subarray(at));
}
