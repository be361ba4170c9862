/**
 * Certificates for tests: an authority that nobody else trusts, and what it signs, made by openssl in a folder that goes
 * away. Job: keys, certificates, their files. Non-job: speaking TLS (smtp_client.ts and the clients under test).
 */
import { programOf } from "./debian.ts";
import { TempFolder } from "./temp.ts";

/** A certificate and its key, PEM, as text and as files. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface CertificateOptions {
  /** Domains, addresses and e-mail addresses; the first is the common name too. */
  readonly names?: readonly string[];
  readonly algorithm?: "P-256" | "P-384" | "RSA" | "Ed25519";
  /** Valid until yesterday. */
  readonly expired?: boolean;
  /** For a client instead of a server. */
  readonly client?: boolean;
  /** The digest of the signature (default sha256). */
  readonly digest?: "sha256" | "sha384" | "sha512";
}

const ALGORITHMS = {
  "P-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "P-384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
  "RSA": ["-newkey", "rsa:2048"],
  "Ed25519": ["-newkey", "ed25519"],
};
const LOCAL = ["mx.local.example", "localhost", "127.0.0.1"];

/** What tests that make certificates need. */
export const MAKES_CERTIFICATES = ["openssl"] as const;

export class Authority implements AsyncDisposable {
  #issued = 0;
  private constructor(readonly folder: TempFolder, readonly own: Pair) {}

  static async make(name = "Authority of the tests"): Promise<Authority> {
    const folder = await TempFolder.make("postern-tls-");
    await Deno.chmod(folder.path, 0o755); // a server under test may be another user
    const certFile = folder.at("ca.pem"), keyFile = folder.at("ca.key");
    await openssl([
      ...["req", "-x509", ...ALGORITHMS["P-256"], "-nodes", "-days", "365", "-subj", `/CN=${name}`],
      ...["-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", keyFile, "-out", certFile],
    ]);
    return new Authority(folder, await pair(certFile, keyFile));
  }

  /** PEM, and a file of it. */
  get ca(): string {
    return this.own.cert;
  }
  get caFile(): string {
    return this.own.certFile;
  }

  /** A certificate of this authority; without names one for this machine. */
  async issue(options: CertificateOptions = {}): Promise<Pair> {
    const { names = LOCAL, algorithm = "P-256", expired = false, client = false, digest = "sha256" } = options;
    const at = `pair${++this.#issued}`;
    const certFile = this.folder.at(`${at}.pem`), keyFile = this.folder.at(`${at}.key`), request = this.folder.at(at);
    const extensions = await this.folder.file(
      `${at}.ext`,
      `basicConstraints=critical,CA:FALSE
extendedKeyUsage=${client ? "clientAuth" : "serverAuth"}
subjectAltName=${names.map(alternative).join(",")}
`,
    );
    await openssl([
      ...["req", ...ALGORITHMS[algorithm], "-nodes", "-subj", `/CN=${names[0]}`, "-keyout", keyFile, "-out", request],
    ]);
    await openssl([
      ...["x509", "-req", "-in", request, "-CA", this.own.certFile, "-CAkey", this.own.keyFile, `-${digest}`],
      ...["-set_serial", String(this.#issued), "-days", expired ? "-1" : "90", "-extfile", extensions],
      ...["-out", certFile],
    ]);
    return await pair(certFile, keyFile);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

function alternative(name: string): string {
  if (name.includes("@")) return `email:${name}`;
  return /^[\d.]+$|:/.test(name) ? `IP:${name}` : `DNS:${name}`;
}

async function pair(certFile: string, keyFile: string): Promise<Pair> {
  const [cert, key] = await Promise.all([certFile, keyFile].map((file) => Deno.readTextFile(file)));
  return { cert: cert!, key: key!, certFile, keyFile };
}

async function openssl(args: readonly string[]): Promise<void> {
  const program = programOf("openssl");
  if (program === null) throw new Error("openssl is missing: name it in testWith");
  const { success, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
  if (!success) throw new Error(`openssl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
