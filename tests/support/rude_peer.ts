/** A peer that ends its connection as it likes: with FIN, with RST, by half, or never. Non-job: manners (smtp_client.ts). */
import { connect, type Socket } from "node:net";
import { waitFor } from "./wait.ts";

export class RudePeer implements Disposable {
  /** Everything the server said, as Latin-1. */
  heard = "";
  ended = false;
  /** The code of the error that ended it, or null. */
  error: string | null = null;
  #read = 0;

  private constructor(readonly socket: Socket) {
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.heard += text);
    socket.on("end", () => this.ended = true);
    socket.on("close", () => this.ended = true);
    socket.on("error", (error: Error & { code?: string }) => this.error = error.code ?? error.message);
  }

  static async connect(port: number, options: { readonly from?: string } = {}): Promise<RudePeer> {
    const local = options.from === undefined ? {} : { localAddress: options.from };
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true, ...local });
    const peer = new RudePeer(socket);
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return peer;
  }

  /** Resolves when the kernel has it. */
  async send(text: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.socket.write(text, "latin1", (error) => error ? reject(error) : resolve());
    });
  }

  /** Waits for a last line of a reply with this code. */
  async expect(code: number): Promise<void> {
    await waitFor(`${code} after ${JSON.stringify(this.heard.slice(this.#read))}`, () => {
      const match = new RegExp(`^${code}(?: .*)?\r\n`, "m").exec(this.heard.slice(this.#read));
      if (match === null) return false;
      this.#read += match.index + match[0].length;
      return true;
    }, { every: 2 });
  }

  /** No more from us; we still listen. */
  fin(): void {
    this.socket.end();
  }
  reset(): void {
    this.socket.resetAndDestroy();
  }
  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
