/**
 * Stored forms for users that are not there, which nobody can tell from real ones: they cost what real ones cost, and
 * SCRAM's salt and iterations, which a client sees (RFC 5802 5.1), are the same each time the same name is tried.
 * Where accounts differ in cost, names that are not there differ in the same shares. Non-job: burning the time.
 */
import { hkdfSync } from "node:crypto";
import {
  formatScramKeys,
  formatScryptHash,
  parseScramKeys,
  parseScryptHash,
  SCRYPT_COST,
  SCRYPT_LENGTH,
  SCRYPT_SALT,
} from "../../../core/pipeline/mod.ts";

/** Octets of which none repeats for another name or purpose. */
type Draw = (purpose: string, length: number) => Uint8Array<ArrayBuffer>;
interface Kind {
  readonly make: (draw: Draw) => string;
  count: number;
}

/** What kinds of stored forms some accounts have, and how many of each. */
export class Decoys {
  readonly #kinds = new Map<string, Kind>();
  #total = 0;

  /** `secret`: known to this installation alone, and the same after a restart. */
  constructor(readonly secret: string) {}

  /** Counts what a real account has stored. */
  add(stored: string): void {
    const name = kindOf(stored), kind = this.#kinds.get(name);
    this.#total++;
    if (kind === undefined) this.#kinds.set(name, { make: makerLike(stored), count: 1 });
    else kind.count++;
  }

  /** A form for `user`, or null when there are none to resemble. */
  form(user: string): string | null {
    const draw: Draw = (purpose, length) =>
      new Uint8Array(hkdfSync("sha256", this.secret, "", `${purpose}\0${user}`, length)); // RFC 5869
    const at = new DataView(draw("kind", 4).buffer).getUint32(0) / 2 ** 32 * this.#total;
    let passed = 0;
    // By name and not by place in the file: an account more moves few names to another kind
    for (const name of [...this.#kinds.keys()].sort()) {
      const { make, count } = this.#kinds.get(name)!;
      passed += count;
      if (at < passed) return make(draw);
    }
    return null;
  }
}

/** What to say where no account has a password at all: as a new one would be stored. */
export const ANY: string = formatScryptHash({
  ...SCRYPT_COST,
  salt: new Uint8Array(SCRYPT_SALT),
  hash: new Uint8Array(SCRYPT_LENGTH),
});

/** Cost and lengths, which are what two stored forms of one kind share: `$scrypt$ln=15,r=8,p=1 23 92`. */
function kindOf(stored: string): string {
  const cost = stored.startsWith("$") ? stored.indexOf("$", "$scrypt$".length) : stored.indexOf(":");
  return `${stored.slice(0, cost)} ${stored.indexOf("$", cost + 1) - cost} ${stored.length}`;
}

function makerLike(stored: string): Kind["make"] {
  const hash = parseScryptHash(stored);
  if (hash !== null) {
    const { ln, r, p, salt: { length: salt }, hash: { length } } = hash;
    return (draw) => formatScryptHash({ ln, r, p, salt: draw("salt", salt), hash: draw("hash", length) });
  }
  const { iterations, salt: { length: salt } } = parseScramKeys(stored)!;
  return (draw) =>
    formatScramKeys({
      iterations,
      salt: draw("scram salt", salt),
      storedKey: draw("stored key", 32),
      serverKey: draw("server key", 32),
    });
}
