/**
 * A private Haraka on a port of loopback, from the packages of bench/peers. Non-job: what is in its config folder.
 */
import { Daemon } from "./daemon.ts";
import { programOf } from "./debian.ts";
import { fromFileUrl } from "./paths.ts";
import { freePort } from "./ports.ts";
import { TempFolder } from "./temp.ts";

/** The package, as it is installed. */
export const HARAKA_FOLDER: string = fromFileUrl(
  new URL("../../bench/.build/node_modules/Haraka/", import.meta.url),
).replace(/\/$/, "");

/** What a test with it lacks, or null. */
export const HARAKA_MISSING: string | null = (() => {
  if (programOf("node") === null) return "node: apt-get install nodejs";
  try {
    Deno.statSync(`${HARAKA_FOLDER}/bin/haraka`);
    return null;
  } catch {
    return "Haraka: bash .ci/peers";
  }
})();

/** What it does not start a session without. */
const CONNECTION = `[main]
[headers]
max_lines=1000
max_received=100
[max]
bytes=1000000
mime_parts=1000
line_length=512
data_line_length=992
[message]
helo=hello
close=bye
[uuid]
banner_chars=6
deny_chars=0
[haproxy]
hosts[] =
`;

export class Haraka implements AsyncDisposable {
  private constructor(readonly port: number, readonly folder: TempFolder, private readonly daemon: Daemon) {}

  /** `files`: below its folder, such as `config/plugins`; where it listens is added. */
  static async start(files: Readonly<Record<string, string>>): Promise<Haraka> {
    const port = freePort(), folder = await TempFolder.make("postern-haraka-");
    for (const [name, text] of Object.entries({ "config/connection.ini": CONNECTION, ...files })) {
      await folder.file(name, text);
    }
    await folder.file("config/smtp.ini", `listen=127.0.0.1:${port}\nnodes=0\n`);
    const command = [
      "env",
      "YES_REALLY_DO_DISCARD=1",
      programOf("node")!,
      `${HARAKA_FOLDER}/bin/haraka`,
      "-c",
      folder.path,
    ];
    try {
      return new Haraka(port, folder, await Daemon.start("Haraka", command, [port]));
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}
