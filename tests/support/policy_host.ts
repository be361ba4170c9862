/**
 * A web host of the world outside on port 443 of an address of loopback: policies of MTA-STS, and whoever takes reports.
 * Non-job: name service, a web that is reached through a proxy (web.ts).
 */
import type { Pair } from "./tls.ts";

const PORT = 443;

/** What a test with it lacks, or null. */
export const PORT_443_MISSING: string | null = canListen()
  ? null
  : `the right to listen on port ${PORT} of 127.0.0.0/8`;

function canListen(): boolean {
  try {
    Deno.listen({ hostname: `127.250.${Math.floor(Math.random() * 256)}.77`, port: PORT }).close();
    return true;
  } catch {
    return false;
  }
}

export class PolicyHost implements AsyncDisposable {
  /** "GET mta-sts.example.org/.well-known/mta-sts.txt" */
  readonly requests: string[] = [];
  /** By domain; what is not here is not found. */
  readonly policies = new Map<string, string>();
  readonly posted: Uint8Array<ArrayBuffer>[] = [];
  readonly #server: Deno.HttpServer;

  constructor(ip: string, { cert, key }: Pair) {
    this.#server = Deno.serve(
      { hostname: ip, port: PORT, cert, key, onListen: () => {} },
      async (request) => {
        const { hostname, pathname } = new URL(request.url);
        this.requests.push(`${request.method} ${hostname}${pathname}`);
        if (request.method === "POST") this.posted.push(await request.bytes());
        const policy = this.policies.get(hostname.replace(/^mta-sts\./, ""));
        if (policy === undefined) return new Response("not here", { status: request.method === "POST" ? 201 : 404 });
        return new Response(policy, { headers: { "content-type": "text/plain" } });
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** The text of a policy file. */
export function policyText(mode: "enforce" | "testing" | "none", ...mx: readonly string[]): string {
  return ["version: STSv1", `mode: ${mode}`, ...mx.map((each) => `mx: ${each}`), "max_age: 604800", ""].join("\r\n");
}
