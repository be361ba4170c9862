/** Postern under measurement: the command line of this checkout, as its users start it. Non-job: which configuration. */
import { Server } from "../tests/support/server.ts";
import { versionOf } from "./machine.ts";
import { freshFolder, remove, type Running } from "./running.ts";
import { BENCH } from "./tools.ts";

export function posternVersion(): string {
  const { version } = JSON.parse(Deno.readTextFileSync(`${BENCH}/../deno.json`));
  const commit = versionOf("git", "-C", BENCH, "rev-parse", "--short", "HEAD");
  return `${version} (${commit})`;
}

interface PosternOptions {
  /** Text of postern.yaml; none: the dev inbox. */
  readonly config?: string;
  readonly under?: readonly string[] | undefined;
  /** Another checkout, whose command line is measured in the place of this one's. */
  readonly checkout?: string | undefined;
  readonly facts: Readonly<Record<string, string>>;
}

export async function startPostern({ config, under, checkout, facts }: PosternOptions): Promise<Running> {
  const folder = await freshFolder("postern");
  const server = await Server.start({
    data: `${folder}/data`,
    ...config === undefined ? {} : { config },
    ...under ? { under } : {},
    ...checkout === undefined ? {} : { program: [Deno.execPath(), "run", "-A", `${checkout}/cli/main.ts`] },
  });
  const matrix = await server.api.json<{ listeners: { plugins: { name: string }[] }[] }>("/api/v1/plugins");
  const plugins = matrix.listeners.flatMap((listener) => listener.plugins.map(({ name }) => name)).join(", ");
  const schema = await Deno.readTextFile(`${BENCH}/../core/store/schema.ts`);
  const synchronous = /pragma synchronous = (\w+)/.exec(schema)?.[1] ?? "?";
  return {
    port: server.ports.smtp,
    pid: server.pid,
    facts: { ...facts, plugins, store: `SQLite, write-ahead log, synchronous=${synchronous}` },
    died: () => server.hasEnded ? server.output.slice(-2000) : null,
    async stop() {
      await server.stop().catch(() => server.kill());
      await server[Symbol.asyncDispose]();
      await remove(folder);
    },
  };
}
