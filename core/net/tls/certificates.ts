/**
 * The server's certificates: reads the pairs, picks one by the name that a client asks for (RFC 6066 3), reads them again
 * when their files change, warns before they expire. Sessions keep what they began with.
 * Non-job: the handshake (server_tls.ts), what makes a pair good (pair.ts).
 */
import { type Certificate, isValidAt } from "./certificate.ts";
import { certificatesIn, type Pair, type PairDetails, PairError, type PairFiles, readPair, readPem } from "./pair.ts";
import { Watched } from "./watched.ts";

export interface CertificatesOptions {
  /** At least one. The first is for clients that ask for no name, or for one that no pair has. */
  readonly pairs: readonly PairFiles[];
  /** Something is wrong and somebody must see to it. */
  trouble(message: string): void;
  /** Something went as it should: a pair was replaced. */
  notice?(message: string): void;
  /** Milliseconds since 1970; default the present. */
  now?(): number;
  /** Milliseconds between two looks at the files; default 5000. 0: only `check` and `reload` look. */
  readonly period?: number;
}

/** A certificate as pages and metrics show it. */
export interface CertificateInfo extends PairDetails {
  readonly path: string;
  /** The file of its key. */
  readonly key: string;
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  readonly fingerprint: string;
}

/** The authorities whose client certificates count. */
export interface Authorities {
  readonly pem: readonly string[];
  readonly certificates: readonly Certificate[];
}
/** Authorities in a file that is watched. */
export type ClientCa = Watched<Authorities>;

const DAY = 86_400_000;
/** So many days before its end a certificate is spoken of: certbot renews at 30. */
const WARN_DAYS = 14;
/** Each of them goes to every client in the handshake. */
const MOST_AUTHORITIES = 16;

export class Certificates {
  readonly #options: CertificatesOptions;
  readonly #now: () => number;
  readonly #pairs: readonly Watched<Pair>[];
  readonly #authorities = new Map<string, ClientCa>();
  /** Fingerprint -> when its end was last spoken of. */
  readonly #warned = new Map<string, number>();
  #byName = new Map<string, Pair>();
  #replacedAt = -Infinity;
  #timer: ReturnType<typeof setInterval> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: CertificatesOptions, pairs: readonly Watched<Pair>[]) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#pairs = pairs;
    this.#index();
  }

  /** @throws {PairError} for a pair that cannot be used; one that has expired can, and is spoken of loudly. */
  static async open(options: CertificatesOptions): Promise<Certificates> {
    const { pairs, now = Date.now, period = 5000 } = options;
    if (pairs.length === 0) throw new PairError("no certificate is configured");
    const watched = await Promise.all(
      pairs.map((files) =>
        Watched.open([files.certificate, files.key], () => readPair(files), {
          now: now(),
          again: (now) => readValidPair(files, now),
        })
      ),
    );
    const certificates = new Certificates(options, watched);
    certificates.#warn();
    if (period > 0) certificates.#timer = setInterval(() => void certificates.check(), period);
    return certificates;
  }

  /** The pair for the name of a ClientHello: exact before wildcard, else the first. */
  pick(serverName: string | null): Pair {
    if (serverName !== null && this.#byName.size > 0) {
      const name = serverName.toLowerCase().replace(/\.$/, "");
      const wild = `*${name.slice(name.indexOf("."))}`; // one label (RFC 9525 6.3)
      const found = this.#byName.get(name) ?? (name.indexOf(".") > 0 ? this.#byName.get(wild) : undefined);
      if (found !== undefined) return found;
    }
    return this.#pairs[0]!.value;
  }

  /** Whether the name that a client asks for makes a difference. */
  get several(): boolean {
    return this.#pairs.length > 1;
  }

  /** When a pair was last replaced, milliseconds since 1970; -Infinity: never. */
  get replacedAt(): number {
    return this.#replacedAt;
  }

  get list(): readonly CertificateInfo[] {
    return this.#pairs.map(({ value: { files, leaf, details } }) => ({
      ...details,
      path: files.certificate,
      key: files.key,
      names: leaf.dnsNames,
      notBefore: leaf.notBefore,
      notAfter: leaf.notAfter,
      fingerprint: leaf.fingerprint,
    }));
  }

  /** Authorities from a PEM file, read again when it changes as pairs are. @throws {PairError} */
  async trust(path: string): Promise<ClientCa> {
    let found = this.#authorities.get(path);
    if (found === undefined) {
      found = await Watched.open([path], (now) => readAuthorities(path, now), { now: this.#now() });
      this.#authorities.set(path, found);
    }
    return found;
  }

  /** One look at the files and at the calendar. The timer does it; never rejects. */
  check(): Promise<void> {
    return this.#serially(async () => {
      for (const each of this.#pairs) this.#told(each, await each.look(this.#now()));
      for (const each of this.#authorities.values()) this.#told(each, await each.look(this.#now()));
      this.#warn();
    });
  }

  /** Reads all files now, changed or not: SIGHUP. What could not be read keeps its old value and stands in the result. */
  reload(): Promise<readonly string[]> {
    return this.#serially(async () => {
      const faults: string[] = [];
      for (const each of [...this.#pairs, ...this.#authorities.values()]) {
        const result = await each.reload(this.#now());
        this.#told(each, result);
        if (result !== null && "fault" in result) faults.push(result.fault);
      }
      this.#warn();
      return faults;
    });
  }

  /** Ends the watch. */
  close(): void {
    clearInterval(this.#timer);
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  #told(source: Watched<Pair> | ClientCa, result: Awaited<ReturnType<ClientCa["look"]>>): void {
    if (result === null) return;
    const path = source.paths[0]!;
    if ("fault" in result) return this.#options.trouble(`${result.fault}; what was read before stays in use`); // case 47
    this.#index();
    this.#replacedAt = this.#now();
    const { value } = source;
    const until = "leaf" in value ? `, ${value.leaf.fingerprint}, valid until ${date(value.leaf.notAfter)}` : "";
    this.#options.notice?.(`${path}: read again${until}`);
  }

  #index(): void {
    const byName = new Map<string, Pair>();
    for (const { value } of this.#pairs) {
      for (const name of value.leaf.dnsNames) if (!byName.has(name)) byName.set(name, value);
    }
    this.#byName = byName;
  }

  /** Says once a day which certificates are near their end or beyond it. */
  #warn(): void {
    const now = this.#now();
    const all: [string, Certificate][] = this.#pairs.map(({ value }) => [value.files.certificate, value.leaf]);
    for (const [path, { value }] of this.#authorities) {
      for (const each of value.certificates) all.push([path, each]);
    }
    for (const [path, certificate] of all) {
      const message = calendar(certificate, now);
      const last = this.#warned.get(certificate.fingerprint);
      if (message === null || last !== undefined && Math.abs(now - last) < DAY) continue;
      if (this.#warned.size >= 1000) this.#warned.clear();
      this.#warned.set(certificate.fingerprint, now);
      this.#options.trouble(`${path}: ${message}`);
    }
  }
}

function calendar({ notBefore, notAfter }: Certificate, now: number): string | null {
  if (now > notAfter) return `the certificate has expired on ${date(notAfter)}: clients refuse it`;
  if (now < notBefore) return `the certificate is not valid before ${date(notBefore)}: is the clock right?`;
  const days = Math.floor((notAfter - now) / DAY);
  return days < WARN_DAYS ? `the certificate expires on ${date(notAfter)}, in ${days} days` : null;
}

/** A replacement must be good now: the one in force may still be. */
async function readValidPair(files: PairFiles, now: number): Promise<Pair> {
  const pair = await readPair(files);
  const fault = isValidAt(pair.leaf, now) ? null : calendar(pair.leaf, now);
  if (fault !== null) throw new PairError(`${files.certificate}: ${fault}`);
  return pair;
}

async function readAuthorities(path: string, now: number): Promise<Authorities> {
  const all = certificatesIn(await readPem(path), path);
  const valid = all.filter(({ certificate }) => isValidAt(certificate, now)); // the TLS stack does not ask that of a root
  if (valid.length === 0) {
    throw new PairError(
      `${path}: ${all.length === 0 ? "no certificate in it" : "no certificate in it is valid today"}`,
    );
  }
  if (valid.length > MOST_AUTHORITIES) {
    throw new PairError(
      `${path}: ${valid.length} authorities; ${MOST_AUTHORITIES} are the most, name those of your clients`,
    );
  }
  return { pem: valid.map(({ x509 }) => x509.toString()), certificates: valid.map(({ certificate }) => certificate) };
}

function date(time: number): string {
  return new Date(time).toISOString().slice(0, 16).replace("T", " ") + " UTC";
}
