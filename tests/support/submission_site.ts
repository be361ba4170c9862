/**
 * A server with everything that a mail program of a user wants: STARTTLS and TLS at once, certificates of an authority
 * of its own, an account for each kind of login, a token endpoint. Non-job: who logs in (tests/interop).
 */
import { hashPassword, scramOfPassword } from "../../core/auth/passwords.ts";
import { freePort } from "./ports.ts";
import { Server } from "./server.ts";
import { Authority, type CertificateOptions, type Pair } from "./tls.ts";

/** Who may log in; may send as itself. */
export const USER = "alice@local.example", PASSWORD = "correct horse battery";
/** What the token endpoint knows. */
export const TOKEN = "ya29.token-of-alice";
export const SASL_MECHANISMS: readonly string[] = [
  ...["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5", "EXTERNAL", "OAUTHBEARER", "XOAUTH2"],
];

export interface SubmissionOptions {
  readonly certificate?: CertificateOptions;
  /** SASL mechanisms that are offered (default all but -PLUS). */
  readonly mechanisms?: readonly string[];
  /** More keys of both submission listeners. */
  readonly listener?: string;
  /** More listeners, an entry a line. */
  readonly listeners?: readonly string[];
  /** More plugins in front, an entry a line. */
  readonly plugins?: readonly string[];
  /** More top-level lines. */
  readonly rest?: string;
  /** More words of the account's line. */
  readonly account?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class SubmissionSite implements AsyncDisposable {
  private constructor(
    readonly server: Server,
    readonly authority: Authority,
    readonly certificate: Pair,
    /** With STARTTLS, with TLS at once. `server.ports.smtp` is for strangers (role mx), with STARTTLS too. */
    readonly ports: { readonly starttls: number; readonly implicit: number },
    private readonly tokens: Deno.HttpServer,
  ) {}

  static async start(options: SubmissionOptions = {}): Promise<SubmissionSite> {
    const authority = await Authority.make();
    const tokens = tokenEndpoint();
    try {
      const certificate = await authority.issue(options.certificate);
      const ports = { starttls: freePort(), implicit: freePort() };
      const endpoint = `http://127.0.0.1:${tokens.addr.port}/introspect`;
      const text = await config({ ...options, authority, pair: certificate, ports, endpoint });
      const server = await Server.start({ config: text, env: options.env ?? {} });
      return new SubmissionSite(server, authority, certificate, ports, tokens);
    } catch (error) {
      await tokens.shutdown();
      await authority[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** How often the log says that somebody logged in, by this mechanism. */
  logins(mechanism: string): number {
    return this.server.output.split("\n").filter((line) =>
      line.includes(` login     user=${USER} mechanism=${mechanism} `)
    ).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.tokens.shutdown();
    await this.authority[Symbol.asyncDispose]();
  }
}

interface Facts extends SubmissionOptions {
  readonly authority: Authority;
  readonly pair: Pair;
  readonly ports: { readonly starttls: number; readonly implicit: number };
  readonly endpoint: string;
}

async function config(facts: Facts): Promise<string> {
  const { authority, pair, ports, endpoint, mechanisms = SASL_MECHANISMS.filter((name) => !name.endsWith("-PLUS")) } =
    facts;
  const random = { random: (length: number) => crypto.getRandomValues(new Uint8Array(length)) };
  const keys = [await hashPassword(PASSWORD, random), await scramOfPassword(PASSWORD, random)];
  const account = [USER, ...keys, `cram-md5=${new TextEncoder().encode(PASSWORD).toBase64()}`, `sender=${USER}`];
  if (facts.account !== undefined) account.push(facts.account);
  const auth = `auth: { mechanisms: [${mechanisms.join(", ")}] }${facts.listener ? `, ${facts.listener}` : ""}`;
  const more = (lines: readonly string[] = []) => lines.map((line) => `\n  - ${line}`).join("");
  return `hostname: mx.local.example
domains: [local.example]
postmaster: box@local.example
tls: { certificates: [{ cert: ${pair.certFile}, key: ${pair.keyFile} }], clientCa: ${authority.caFile} }
listeners:
  - { address: "127.0.0.1:2525" }
  - { address: "127.0.0.1:${ports.starttls}", role: submission, ${auth} }
  - { address: "127.0.0.1:${ports.implicit}", role: submission, tls: implicit, ${auth} }${more(facts.listeners)}
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
${facts.rest ?? ""}
plugins:${more(facts.plugins)}
  - oauth: { introspection: "${endpoint}", clientId: mail, clientSecret: "secret of the endpoint" }
  - certificates: { emails: true }
  - accounts: { accounts: [${JSON.stringify(account.join(" "))}], cramMd5: true }
  - relay: { networks: [] }
  - recipients: { accounts: { box: inbox, alice: inbox } }
  - inbox
`;
}

/** RFC 7662: says who has the one token that is good. */
function tokenEndpoint(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const token = new URLSearchParams(await request.text()).get("token");
    return Response.json(token === TOKEN ? { active: true, username: USER } : { active: false });
  });
}
