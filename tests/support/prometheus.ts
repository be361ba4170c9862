/** Debian's Prometheus for a test: scrapes one target by the example's configuration, and is asked by its HTTP API. */
import { Daemon } from "./daemon.ts";
import { programOf } from "./debian.ts";
import { freePort } from "./ports.ts";
import { TempFolder } from "./temp.ts";
import { waitFor } from "./wait.ts";

export class Prometheus implements AsyncDisposable {
  private constructor(
    readonly daemon: Daemon,
    readonly base: string,
    private readonly opened: AsyncDisposableStack,
  ) {}

  /** `config`, `rules`: text of the files; the target and the token stand in the places of the example's. */
  static async start(
    { config, rules, target, token }: {
      readonly config: string;
      readonly rules: string;
      readonly target: string;
      readonly token: string;
    },
  ): Promise<Prometheus> {
    await using opened = new AsyncDisposableStack();
    const folder = opened.use(await TempFolder.make()), port = freePort();
    await folder.file("postern-token", token);
    await folder.file("rules.yaml", rules);
    const file = await folder.file(
      "prometheus.yaml",
      config.replace("127.0.0.1:8025", target).replace("scrape_interval: 15s", "scrape_interval: 1s")
        .replace("evaluation_interval: 30s", "evaluation_interval: 1s"),
    );
    const daemon = opened.use(
      await Daemon.start("prometheus", [
        programOf("prometheus")!,
        `--config.file=${file}`,
        `--storage.tsdb.path=${folder.at("data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ], [port]),
    );
    await waitFor("Prometheus to be ready", async () => {
      const response = await fetch(`http://127.0.0.1:${port}/-/ready`);
      await response.body?.cancel();
      return response.ok;
    }, { deadline: 60_000 });
    return new Prometheus(daemon, `http://127.0.0.1:${port}`, opened.move());
  }

  /** `data` of an answer. @throws with its error */
  // deno-lint-ignore no-explicit-any
  async ask(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<any> {
    const response = await fetch(`${this.base}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const answer = await response.json();
    if (answer.status !== "success") throw new Error(`${path} ${JSON.stringify(parameters)}: ${answer.error}`);
    return answer.data;
  }

  async query(expression: string): Promise<readonly { metric: Record<string, string>; value: [number, string] }[]> {
    return (await this.ask("query", { query: expression })).result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.opened[Symbol.asyncDispose]();
  }
}
