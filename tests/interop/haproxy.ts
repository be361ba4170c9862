/** A private HAProxy in front of a server: a port for each way to hand connections on. Non-job: what arrives behind it. */
import { programOf } from "../support/debian.ts";
import { freePort } from "../support/ports.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor, within } from "../support/wait.ts";

export interface Way {
  /** Where the connections go. */
  readonly to: number;
  /** Options of the server line, such as send-proxy-v2. */
  readonly options: string;
  /** Options of the bind line, such as ssl crt FILE. */
  readonly bind?: string;
  /** More lines of the section. */
  readonly more?: string;
}

export class Haproxy implements AsyncDisposable {
  private constructor(
    /** In the order of the ways. */
    readonly ports: readonly number[],
    private readonly child: Deno.ChildProcess,
    private readonly folder: TempFolder,
    private readonly said: { text: string },
  ) {}

  static async start(ways: readonly Way[]): Promise<Haproxy> {
    const folder = await TempFolder.make("postern-haproxy-"), ports = ways.map(() => freePort());
    const proxies = ways.map(({ to, options, bind = "", more = "" }, index) => `
listen way${index}
  bind 127.0.0.1:${ports[index]} ${bind}
  server postern 127.0.0.1:${to} ${options}
  ${more}
`);
    const path = await folder.file(
      "haproxy.cfg",
      `global
  maxconn 200
  stats socket ${folder.at("stats")}
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
${proxies.join("")}`,
    );
    const child = new Deno.Command(programOf("haproxy")!, {
      args: ["-db", "-f", path],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const said = { text: "" };
    (async () => {
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) said.text += text;
    })();
    const haproxy = new Haproxy(ports, child, folder, said);
    let ended = false;
    child.status.then(() => ended = true);
    try {
      await waitFor("HAProxy", async () => {
        if (ended) throw new Error("HAProxy ended at once");
        return await Deno.stat(folder.at("stats")).then(() => true, () => false); // made when all ports are bound
      });
    } catch (error) {
      await haproxy[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}: ${said.text}`);
    }
    return haproxy;
  }

  /** What its last check of each way found: L7OK, L4CON and the like; empty without one. */
  async checks(): Promise<string[]> {
    using connection = await Deno.connect({ transport: "unix", path: this.folder.at("stats") });
    await connection.write(new TextEncoder().encode("show stat\n"));
    const [head, ...rows] = (await new Response(connection.readable).text()).split("\n").map((line) => line.split(","));
    const column = head!.indexOf("check_status");
    return rows.filter(([, name]) => name === "postern").map((row) => row[column]!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGTERM");
    } catch { /* it has ended */ }
    await within("HAProxy's end", this.child.status, 5000, () => this.child.kill("SIGKILL")).catch(() => {});
    await this.child.status;
    await this.folder[Symbol.asyncDispose]();
  }
}
