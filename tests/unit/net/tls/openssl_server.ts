/** openssl's TLS server on a free port of the loopback, for clients under test. Non-job: making certificates (pki.ts). */
import { freePort } from "../../../support/ports.ts";
import { waitFor } from "../../../support/wait.ts";
import type { Issued } from "./pki.ts";

export class OpensslServer implements AsyncDisposable {
  private constructor(readonly port: number, readonly process: Deno.ChildProcess) {}

  /** `args`: more of them for `openssl s_server`. */
  static async start(pair: Issued, args: readonly string[]): Promise<OpensslServer> {
    const port = freePort();
    const process = new Deno.Command("openssl", {
      // deno-fmt-ignore
      args: ["s_server", "-accept", `127.0.0.1:${port}`, "-cert", pair.certificate, "-key", pair.key, "-quiet", ...args],
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await waitFor("openssl's server", async () => {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return true;
      } catch {
        return false;
      }
    });
    return new OpensslServer(port, process);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stdin.close().catch(() => {});
    try {
      this.process.kill("SIGKILL");
    } catch { /* it has ended */ }
    await this.process.status;
  }
}
