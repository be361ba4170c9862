/**
 * Keys of DKIM and ARC from where the configuration says: a file, or the PEM itself, which is what a variable of the environment holds.
 * Read once, at the start. Non-job: what a key is (core/dkim).
 */
import { resolve } from "node:path";
import { KeyError, PrivateKey, type SigningKey } from "../../core/dkim/mod.ts";
import { canonicalDomain, OptionsError } from "../../core/pipeline/mod.ts";

/** A key as it stands in the configuration. */
export interface KeyEntry {
  readonly domain: string;
  readonly selector: string;
  /** A path, or PEM. */
  readonly key: string;
}

export interface ReadOptions {
  /** Folder that paths start from. */
  readonly base: string;
  /** What the operator should know of a key that works. */
  trouble(message: string): void;
}

/** More octets than any key file has. */
const MOST = 64 * 1024;

/** @throws {KeyError} that names the file. */
export function readKey({ domain, selector, key }: KeyEntry, { base, trouble }: ReadOptions): SigningKey {
  const inline = key.includes("-----BEGIN");
  const name = inline ? `the key of ${selector}._domainkey.${domain}` : key;
  try {
    const read = PrivateKey.parse(inline ? key : readFile(resolve(base, key), name, trouble));
    if (read.warning !== null) trouble(`${name} ${read.warning}`);
    return { domain: canonicalDomain(domain)!, selector: canonicalDomain(selector)!, key: read };
  } catch (error) {
    const none = error instanceof Deno.errors.NotFound ? "there is no such file; postern dkim keygen makes one" : null;
    throw new KeyError(`${name}: ${none ?? (error instanceof Error ? error.message : error)}`);
  }
}

function readFile(path: string, name: string, trouble: (message: string) => void): string {
  const { isFile, mode, size } = Deno.statSync(path);
  if (!isFile) throw new KeyError("is no file"); // reading a pipe would wait for its writer
  if (size > MOST) throw new KeyError(`is too big for a key: ${size} octets`);
  if (((mode ?? 0) & 0o007) !== 0) trouble(`${name} can be read by everybody on this machine: chmod 600 ${path}`);
  return new TextDecoder().decode(Deno.readFileSync(path));
}

/** Keys of the option `keys`. @throws {OptionsError} with a fault for each that is none, or stands twice. */
export function readKeys(entries: readonly KeyEntry[], setup: ReadOptions): SigningKey[] {
  const { base } = setup, trouble = (message: string) => setup.trouble(message);
  const faults: { path: PropertyKey[]; message: string }[] = [], keys: SigningKey[] = [], seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    try {
      const key = readKey(entry, { base, trouble }), place = `${key.selector}._domainkey.${key.domain}`;
      if (seen.has(place)) {
        faults.push({ path: ["keys", index, "selector"], message: `there are two keys for ${place}` });
      }
      seen.add(place);
      keys.push(key);
    } catch (error) {
      faults.push({ path: ["keys", index, "key"], message: error instanceof Error ? error.message : String(error) });
    }
  }
  if (faults.length > 0) throw new OptionsError(faults);
  return keys;
}
