/**
 * The accounts by name and by certificate, and what stands in for one that is not there. Made whole from lines, with
 * every fault found, and never changed. Non-job: where lines come from (source.ts), what an answer means (mod.ts).
 */
import { createHash } from "node:crypto";
import { ANY, Decoys } from "./decoys.ts";
import { foldName, type Line, LineError, readLine, readSecret } from "./line.ts";

/** Lines from one place, a fault's words in front of which that place stands. */
export interface Lines {
  /** `accounts.txt`, or null for the configuration. */
  readonly file: string | null;
  readonly lines: readonly string[];
}
export interface Fault {
  /** Of the line among its own, from 0. */
  readonly index: number;
  readonly file: string | null;
  readonly message: string;
}
/** Why the lines are no accounts, with every fault up to some twenty. */
export class AccountsError extends Error {
  override readonly name = "AccountsError";
  constructor(readonly faults: readonly Fault[]) {
    super(faults.map(({ message }) => message).join("\n"));
  }
}
const ENOUGH = 20;

export interface TableOptions {
  readonly caseSensitive: boolean;
}

/** Mechanisms that tell the password, whatever an account has stored to compare it with. */
export const TELLING: ReadonlySet<string> = new Set(["PLAIN", "LOGIN"]);

export class AccountTable {
  readonly #options: TableOptions;
  readonly #accounts = new Map<string, Line>();
  readonly #certificates = new Map<string, Line>();
  readonly #passwords: Decoys;
  readonly #scram: Decoys;
  readonly #cramMd5: boolean;

  /** @throws {AccountsError} */
  constructor(sources: readonly Lines[], options: TableOptions) {
    this.#options = options;
    const secret = this.#read(sources) ?? digestOf(this.#accounts.values());
    this.#passwords = new Decoys(secret);
    this.#scram = new Decoys(secret);
    let cramMd5 = false;
    for (const line of this.#accounts.values()) {
      const telling = line.scrypt ?? line.scram;
      if (telling !== null) this.#passwords.add(telling);
      if (line.scram !== null) this.#scram.add(line.scram);
      if (line.cramMd5 !== null) cramMd5 = true;
    }
    this.#cramMd5 = cramMd5;
  }

  find(name: string): Line | null {
    return this.#accounts.get(foldName(name, this.#options.caseSensitive)) ?? null;
  }

  /** The account that this certificate (`SHA256:...`) is of. */
  holder(certificate: string): Line | null {
    return this.#certificates.get(certificate) ?? null;
  }

  /** What nobody's secret fits, for a user that is not there; null where checking costs nothing. */
  decoy(user: string, mechanism: string): string | null {
    const name = foldName(user, this.#options.caseSensitive);
    if (TELLING.has(mechanism)) return this.#passwords.form(name) ?? ANY;
    if (mechanism.startsWith("SCRAM-")) return this.#scram.form(name);
    return mechanism === "CRAM-MD5" ? "{CRAM-MD5}" : null;
  }

  /** Mechanisms that some account can log in by. */
  mechanisms({ cramMd5 }: { readonly cramMd5: boolean }): string[] {
    const names = [...TELLING];
    if (this.#scram.form("") !== null) names.push("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS");
    if (this.#certificates.size > 0) names.push("EXTERNAL");
    if (cramMd5 && this.#cramMd5) names.push("CRAM-MD5");
    return names;
  }

  /** Takes the lines in, and answers the secret. */
  #read(sources: readonly Lines[]): string | null {
    const faults: Fault[] = [];
    let secret: string | null = null;
    for (const { file, lines } of sources) {
      for (const [index, text] of lines.entries()) {
        if (faults.length === ENOUGH) break;
        const fail = (message: string, column: number) => {
          const place = file === null ? "" : `${file}:${index + 1}:${column + 1}: `;
          faults.push({ index, file, message: place + message });
        };
        try {
          secret ??= readSecret(text);
          const line = readLine(text);
          if (line !== null) this.#add(line, fail);
        } catch (error) {
          if (!(error instanceof LineError)) throw error;
          fail(error.message, error.column);
        }
      }
    }
    if (faults.length > 0) throw new AccountsError(faults);
    return secret;
  }

  #add(line: Line, fail: (message: string, column: number) => void): void {
    const name = foldName(line.name, this.#options.caseSensitive);
    if (this.#accounts.has(name)) return fail(`the account "${line.name}" is there twice`, 0);
    this.#accounts.set(name, line);
    for (const certificate of line.certificates) {
      const other = this.#certificates.get(certificate);
      if (other === undefined) this.#certificates.set(certificate, line);
      else fail(`${line.name}: the certificate is that of "${other.name}" already`, 0);
    }
  }
}

/** In place of a secret that nobody wrote: what only who knows the accounts can compute, the same after a restart. */
function digestOf(lines: Iterable<Line>): string {
  const digest = createHash("sha256");
  for (const { scrypt, scram, cramMd5 } of lines) digest.update(`${scrypt} ${scram} ${cramMd5}\n`);
  return digest.digest("base64");
}
