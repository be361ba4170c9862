/**
 * A worker as its platform runs it: a module bundled by `deno bundle`, in the real workerd (miniflare starts it), on a port
 * of loopback. Job: build, start, post mail and requests, what came of them. Non-job: what the worker does.
 */
// Not in deno.json: `deno task` fetches what is named there, and no server wants this runtime
// deno-lint-ignore no-import-prefix
import { Miniflare } from "npm:miniflare@4.20260730.0";
import type { Readable } from "node:stream";
import { TempFolder } from "./temp.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** What a handler did with a message. */
export interface EmailOutcome {
  readonly outcome: "ok" | "exception";
  readonly rejectReason?: string;
  readonly forwards: readonly {
    readonly recipient: string;
    readonly headers: readonly (readonly [string, string])[];
  }[];
  readonly replies: readonly { readonly sender: string; readonly raw: string }[];
}
export interface WorkerOptions {
  /** Path of the module from the root of the project. */
  readonly entry: string;
  /** What its handlers are given as `env`. */
  readonly bindings: Readonly<Record<string, string>>;
  /** The worker is what the entry's `make` gives for the platform's own modules; else its default export. */
  readonly made?: boolean;
}

const MAKER = `import { connect } from "cloudflare:sockets";
import { EmailMessage } from "cloudflare:email";
import { make } from "./bundle.js";
export default make({ connect, EmailMessage });
`;

export class Worker implements AsyncDisposable {
  private constructor(
    readonly miniflare: Miniflare,
    readonly url: URL,
    /** Its lines so far, as it wrote them with console.log; they come in their own time. */
    readonly lines: readonly string[],
    /** Octets of its code, minified. */
    readonly size: number,
  ) {}

  static async start({ entry, bindings, made = false }: WorkerOptions): Promise<Worker> {
    await using folder = await TempFolder.make("postern-worker-");
    const code = await bundle(entry, folder.at("bundle.js"));
    const lines: string[] = [];
    const miniflare = new Miniflare({
      modules: made
        ? [{ type: "ESModule", path: "main.js", contents: MAKER }, {
          type: "ESModule",
          path: "bundle.js",
          contents: code,
        }]
        : [{ type: "ESModule", path: "bundle.js", contents: code }],
      bindings: { ...bindings },
      compatibilityDate: "2026-07-01",
      unsafeTriggerHandlers: true,
      host: "127.0.0.1",
      port: 0,
      handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
        stdout.on("data", (chunk: Uint8Array) => lines.push(...new TextDecoder().decode(chunk).split("\n")));
        stderr.on("data", (chunk: Uint8Array) => lines.push(...new TextDecoder().decode(chunk).split("\n")));
      },
    });
    return new Worker(miniflare, await miniflare.ready, lines, code.length);
  }

  /** A message through the platform's email event. */
  async email(from: string, to: string, message: string | Uint8Array<ArrayBuffer>): Promise<EmailOutcome> {
    const at = new URL("/cdn-cgi/handler/email", this.url);
    at.search = String(new URLSearchParams({ from, to, format: "json" }));
    const response = await fetch(at, { method: "POST", body: message });
    const text = await response.text();
    try {
      return JSON.parse(text) as EmailOutcome;
    } catch {
      throw new Error(`${response.status}: ${text}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.miniflare.dispose();
  }
}

async function bundle(entry: string, output: string): Promise<string> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--minify", "--platform", "browser", "--output", output, entry],
    cwd: ROOT,
    stdin: "null",
  }).output();
  if (!success) throw new Error(`deno bundle ${entry}: ${new TextDecoder().decode(stderr)}`);
  return await Deno.readTextFile(output);
}
