/**
 * One connection to Dovecot's auth server, shared by many logins: Dovecot's authentication protocol 1.2, the client's
 * side. Lines of tab-separated fields; each login has an id and its answers may come in any order. Whatever the other
 * side does, each login ends in bounded time. Non-job: opening a new connection after this one (auth_server.ts).
 */
import { createConnection, type Socket } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";

/** A line that is longer comes from something else than Dovecot. */
const LONGEST_ANSWER = 16 * 1024;
/** Dovecot hangs up on a longer line (AUTH_CLIENT_MAX_LINE_LENGTH), which would end everybody's logins. */
const LONGEST_REQUEST = 8192;

/** Where Dovecot listens. */
export type Place = { readonly path: string } | { readonly host: string; readonly port: number };

/** One login. */
export interface Question {
  readonly mechanism: string;
  /** Fields between the mechanism and `resp`, none of them from the peer unescaped. */
  readonly fields: readonly string[];
  /** Base64. */
  readonly response: string;
  /** Base64 of what to say when the server explains its no; undefined: it has nothing to explain. */
  readonly dummy?: string | undefined;
}
/** What Dovecot said: the user in its one spelling, or no. */
export type Outcome = { readonly user: string | null } | null;

export interface ChannelOptions {
  /** Milliseconds for the handshake, and for each answer. */
  readonly timeout: number;
  /** Milliseconds after which it takes no more logins, and closes when the last one has ended. */
  readonly lifetime: number;
  /** A number that no other client of that Dovecot has. */
  readonly pid: number;
}

interface Login {
  readonly dummy: string | undefined;
  end(outcome: Outcome | Error): void;
}

export class Channel {
  readonly #socket: Socket;
  readonly #timeout: number;
  readonly #mechanisms = new Set<string>();
  readonly #logins = new Map<number, Login>();
  #state: "version" | "handshake" | "ready" | "retired" | "closed" = "version";
  #age: NodeJS.Timeout | undefined;
  #ready: { resolve: (channel: Channel) => void; reject: (why: Error) => void } | null = null;
  #line = "";
  #id = 0;
  #heard = 0;

  private constructor(socket: Socket, timeout: number) {
    this.#socket = socket;
    this.#timeout = timeout;
  }

  /** Connects and shakes hands. @throws {Error} when that does not work in time. */
  static open(place: Place, options: ChannelOptions): Promise<Channel> {
    const { timeout, lifetime, pid } = options;
    const socket = createConnection("path" in place ? { path: place.path } : { host: place.host, port: place.port });
    const channel = new Channel(socket, timeout);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => channel.#fail(`no handshake within ${timeout} ms`), timeout);
      const settle =
        <T>(how: (value: T) => void) => (value: T) => (clearTimeout(late), channel.#ready = null, how(value));
      channel.#ready = { resolve: settle(resolve), reject: settle(reject) };
      socket.setEncoding("utf8");
      socket.setNoDelay(true);
      socket.on("data", (text: string) => channel.#read(text));
      socket.on("error", (error: Error & { code?: string }) => channel.#fail(error.code ?? "the connection broke"));
      socket.on("close", () => channel.#fail("it closed the connection"));
      socket.write(`VERSION\t1\t2\nCPID\t${pid}\n`);
      channel.#age = setTimeout(() => channel.#retire(), lifetime).unref();
    });
  }

  /** It takes no more logins. */
  get closed(): boolean {
    return this.#state === "retired" || this.#state === "closed";
  }

  /** @throws {Error} when Dovecot fails, is late, or `signal` ends it. */
  ask(question: Question, signal: AbortSignal): Promise<Outcome> {
    const { mechanism, fields, response, dummy } = question;
    if (!this.#mechanisms.has(mechanism)) return Promise.reject(new Error(`it does not offer ${mechanism}`));
    const id = this.#id = this.#id % 0x7fff_ffff + 1;
    const line = ["AUTH", id, mechanism, ...fields, `resp=${response}`].join("\t") + "\n"; // resp must stand last
    if (line.length > LONGEST_REQUEST) {
      if (dummy === undefined) return Promise.resolve(null); // nobody's password is that long
      return Promise.reject(new Error("the token is longer than it takes"));
    }
    return new Promise((resolve, reject) => {
      const sent = performance.now();
      const end = (outcome: Outcome | Error) => {
        clearTimeout(late);
        signal.removeEventListener("abort", leave);
        this.#logins.delete(id);
        if (this.#logins.size === 0) this.#rest();
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      };
      const cancel = (why: Error) => {
        if (this.#state !== "closed") this.#socket.write(`CANCEL\t${id}\n`);
        end(why);
      };
      const leave = () => cancel(signal.reason);
      const late = setTimeout(() => {
        cancel(new Error(`no answer within ${this.#timeout} ms`));
        if (this.#heard < sent) this.#fail("it went silent"); // the next login gets a new connection
      }, this.#timeout);
      this.#logins.set(id, { dummy, end });
      if (this.#state !== "ready") return end(new Error("the connection is closed"));
      if (signal.aborted) return end(signal.reason);
      signal.addEventListener("abort", leave, { once: true });
      this.#socket.ref();
      this.#socket.write(line);
    });
  }

  #read(text: string): void {
    this.#heard = performance.now();
    this.#line += text;
    let from = 0;
    for (let to; (to = this.#line.indexOf("\n", from)) >= 0; from = to + 1) {
      if (to - from > LONGEST_ANSWER) break;
      const fault = this.#take(this.#line.slice(from, to).split("\t"));
      if (fault !== null) return this.#fail(fault);
      if (this.#state === "closed") return;
    }
    this.#line = this.#line.slice(from);
    if (this.#line.length > LONGEST_ANSWER) this.#fail("it sent a line without end");
  }

  /** One line; what is wrong with it, or null. Unknown commands are for later versions: passed over. */
  #take([command, first = "", ...rest]: string[]): string | null {
    if (this.#state === "version") {
      if (command !== "VERSION") return "it does not speak Dovecot's authentication protocol";
      if (first !== "1") return "it speaks another version of Dovecot's authentication protocol";
      this.#state = "handshake";
    } else if (this.#state === "handshake") {
      if (command === "MECH") this.#mechanisms.add(first.toUpperCase());
      else if (command === "DONE") {
        this.#state = "ready";
        this.#socket.unref();
        this.#ready?.resolve(this);
      }
    } else if (command === "OK" || command === "FAIL" || command === "CONT") {
      if (!/^\d{1,10}$/.test(first)) return "it sent an answer without an id";
      const login = this.#logins.get(Number(first));
      if (login !== undefined) this.#answer(command, Number(first), login, rest); // else one that was cancelled
    }
    return null;
  }

  #answer(command: "OK" | "FAIL" | "CONT", id: number, login: Login, fields: readonly string[]): void {
    if (command === "OK") {
      login.end({ user: fields.find((each) => each.startsWith("user="))?.slice(5) ?? null });
    } else if (command === "FAIL") {
      const failed = fields.includes("temp") || fields.includes("code=temp_fail");
      login.end(failed ? new Error("it failed for the time being") : null);
    } else if (login.dummy === undefined) {
      this.#socket.write(`CANCEL\t${id}\n`);
      login.end(new Error("it asked for more than the mechanism has"));
    } else {
      this.#logins.set(id, { ...login, dummy: undefined }); // once
      this.#socket.write(`CONT\t${id}\t${login.dummy}\n`);
    }
  }

  /** Nobody waits for anything. */
  #rest(): void {
    if (this.#state === "retired") this.#fail("it was old");
    else this.#socket.unref(); // an idle connection keeps no process alive
  }

  #retire(): void {
    if (this.#state !== "ready") return;
    this.#state = "retired";
    if (this.#logins.size === 0) this.#rest();
  }

  #fail(why: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#age);
    this.#socket.destroy();
    const error = new Error(why);
    this.#ready?.reject(error);
    for (const login of [...this.#logins.values()]) login.end(error);
  }
}
