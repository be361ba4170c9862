/** A port that leads to another one and keeps what clients say on the way. Non-job: what it means. */
import { connect, createServer, type Server, type Socket } from "node:net";
import { concat } from "../../core/model/octets.ts";
import { latin1 } from "./bytes.ts";

export class Wiretap implements AsyncDisposable {
  readonly #said: Uint8Array[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  /** `to`: a port of 127.0.0.1. */
  static async open(place: { readonly host: string; readonly port: number }, to: number): Promise<Wiretap> {
    const server = createServer({ noDelay: true }, (client) => tap.#lead(client, to));
    const tap = new Wiretap(server);
    await new Promise<void>((resolve) => server.listen(place, resolve));
    return tap;
  }

  /** All of it so far, as Latin-1. */
  get said(): string {
    return latin1(concat(this.#said));
  }

  #lead(client: Socket, to: number): void {
    const server = connect({ host: "127.0.0.1", port: to, noDelay: true });
    for (const each of [client, server]) this.#sockets.add(each.on("error", () => each.destroy()));
    client.on("data", (chunk: Uint8Array) => this.#said.push(chunk.slice()));
    client.pipe(server).pipe(client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
