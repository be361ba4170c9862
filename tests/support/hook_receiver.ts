/** Somebody who is told of events by HTTP, and who fails, hangs and comes back as a test likes. */
import { createHmac } from "node:crypto";

export interface Heard {
  readonly id: string;
  readonly type: string;
  readonly data: Record<string, unknown>;
  /** One of the signatures is right, and the timestamp is of now. */
  readonly genuine: boolean;
  readonly body: string;
}

export class HookReceiver implements AsyncDisposable {
  /** Each event once, by its id. */
  readonly heard: Heard[] = [];
  /** What it answers; null: nothing, ever. */
  answer: Response | null | (() => Response) = new Response();
  requests = 0;
  #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #hanging = new Set<() => void>();

  private constructor(readonly key: Uint8Array, port: number) {
    this.#server = this.#serve(port);
  }

  static start(key: Uint8Array): HookReceiver {
    return new HookReceiver(key, 0);
  }

  get port(): number {
    return this.#server.addr.port;
  }
  get url(): string {
    return `http://127.0.0.1:${this.port}/hook?secret=of-the-url`;
  }

  /** Nobody listens at its port until `comeBack`. */
  async leave(): Promise<void> {
    for (const end of this.#hanging) end();
    await this.#server.shutdown();
  }
  comeBack(): void {
    this.#server = this.#serve(this.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }

  #serve(port: number): Deno.HttpServer<Deno.NetAddr> {
    return Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, (request) => this.#hear(request));
  }

  async #hear(request: Request): Promise<Response> {
    this.requests++;
    const body = await request.text(), { answer } = this;
    if (answer === null) {
      await new Promise<void>((end) => {
        this.#hanging.add(end);
        request.signal.addEventListener("abort", () => end());
      });
      return new Response(null, { status: 503 });
    }
    const response = typeof answer === "function" ? answer() : answer.clone();
    if (response.ok) {
      const head = (name: string) => request.headers.get(`webhook-${name}`) ?? "";
      const signature = createHmac("sha256", this.key).update(`${head("id")}.${head("timestamp")}.${body}`);
      const right = `v1,${signature.digest("base64")}`;
      const fresh = Math.abs(Number(head("timestamp")) - Date.now() / 1000) < 120;
      const { type, data } = JSON.parse(body);
      const genuine = fresh && head("signature").split(" ").includes(right);
      const id = head("id");
      // At least once is what is promised: a process that was stopped for a while may be told again
      if (this.heard.every((each) => each.id !== id)) this.heard.push({ id, type, data, genuine, body });
    }
    return response;
  }
}
