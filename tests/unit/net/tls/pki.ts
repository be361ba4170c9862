/**
 * Certificates made by openssl with any extension, chain, key and flaw, for attacks on those who read and verify them.
 * Non-job: a good pair for a server under test (tests/support/tls.ts).
 */

export interface Issued {
  /** Paths of PEM files. */
  readonly certificate: string;
  readonly key: string;
}
export interface IssueOptions {
  /** Who signs; default itself. */
  readonly by?: Issued;
  /** As openssl's x509v3_config has it: "DNS:a.example, email:u@example.org". */
  readonly san?: string;
  /** More lines of x509v3_config, default `basicConstraints=CA:FALSE`. With none at all openssl makes a version 1. */
  readonly extensions?: readonly string[];
  /** The subject, default `/CN=<name>`. */
  readonly subject?: string;
  /** Days from now; negative: it has expired. */
  readonly days?: number;
  /** Arguments of `openssl genpkey`, default P-256. */
  readonly algorithm?: readonly string[];
  /** A key that is there already. */
  readonly key?: string;
  readonly digest?: string;
}

export const P256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

export class Pki {
  #count = 0;
  constructor(readonly folder: string) {}

  /** A root, or with `by` an intermediate. */
  authority(name: string, options: IssueOptions = {}): Promise<Issued> {
    const { extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"] } = options;
    return this.issue(name, { ...options, extensions });
  }

  async issue(name: string, options: IssueOptions = {}): Promise<Issued> {
    const { by, san, extensions = ["basicConstraints=CA:FALSE"], days = 30, algorithm = P256, digest = "sha256" } =
      options;
    const base = `${this.folder}/${++this.#count}`;
    const key = options.key ?? `${base}.key`, certificate = `${base}.crt`;
    if (options.key === undefined) await openssl("genpkey", ...algorithm, "-out", key);
    const subject = options.subject ?? `/CN=${name}`;
    await openssl("req", "-new", "-utf8", "-key", key, "-subj", subject, "-out", `${base}.csr`);
    const lines = [...(san === undefined ? [] : [`subjectAltName=${san}`]), ...extensions];
    await Deno.writeTextFile(`${base}.ext`, lines.join("\n") + "\n");
    const signer = by === undefined ? ["-signkey", key] : ["-CA", by.certificate, "-CAkey", by.key];
    const extra = lines.length === 0 ? [] : ["-extfile", `${base}.ext`];
    // deno-fmt-ignore
    await openssl("x509", "-req", "-in", `${base}.csr`, ...signer, "-set_serial", String(Date.now()), "-days", String(days),
      `-${digest}`, ...extra, "-out", certificate);
    return { certificate, key };
  }

  /** One file of several certificates, in this order. */
  async bundle(...parts: readonly Issued[]): Promise<string> {
    const path = `${this.folder}/${++this.#count}.pem`;
    const texts = await Promise.all(parts.map(({ certificate }) => Deno.readTextFile(certificate)));
    await Deno.writeTextFile(path, texts.join(""));
    return path;
  }
}

/** Runs it. @throws with what it said when it fails. */
export async function openssl(...args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("openssl", { args: [...args] }).output();
  const said = new TextDecoder().decode(stdout);
  if (!success) throw new Error(`openssl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}${said}`);
  return said;
}
