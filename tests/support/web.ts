/**
 * A piece of the web for tests: HTTPS servers that the code under test reaches by their real names and port 443, through
 * a CONNECT proxy that leads every name to them. Certificates are verified for those names. Non-job: name service.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Authority, Pair } from "./tls.ts";

export class Web implements AsyncDisposable {
  /** What was asked for, as "GET https://name/path". */
  readonly requests: string[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #sockets = new Set<Socket>();
  readonly #proxy: Server;
  #client: Deno.HttpClient | null = null;

  /** `pair`: what the server shows for any name. */
  static async start(authority: Authority, pair: Pair, handler: Deno.ServeHandler): Promise<Web> {
    const web = new Web(pair, handler);
    await new Promise<void>((resolve) => web.#proxy.listen(0, "127.0.0.1", resolve));
    const { port } = web.#proxy.address() as { port: number };
    web.#client = Deno.createHttpClient({ caCerts: [authority.ca], proxy: { url: `http://127.0.0.1:${port}` } });
    return web;
  }

  private constructor(pair: Pair, handler: Deno.ServeHandler) {
    const { cert, key } = pair;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} }, (request, info) => {
      this.requests.push(`${request.method} ${request.url}`);
      return handler(request, info);
    });
    this.#proxy = createServer((socket) => this.#lead(socket));
  }

  /** As `globalThis.fetch`, in this web. */
  readonly fetch = (url: string, init: RequestInit): Promise<Response> =>
    fetch(url, { ...init, client: this.#client } as RequestInit);

  #lead(socket: Socket): void {
    this.#sockets.add(socket.on("error", () => {}));
    socket.once("data", () => {
      const server = connect({ host: "127.0.0.1", port: this.#server.addr.port });
      this.#sockets.add(server.on("error", () => socket.destroy()));
      server.once("connect", () => {
        socket.write("HTTP/1.1 200 Connected\r\n\r\n");
        socket.pipe(server).pipe(socket);
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.close();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#proxy.close(resolve));
    await this.#server.shutdown();
  }
}
