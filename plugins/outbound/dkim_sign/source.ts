/**
 * Keys from where the configuration says: a file, or the PEM itself, which is what a variable of the environment holds.
 * Read once, at the start. Non-job: what a key is (private_key.ts).
 */
import { resolve } from "node:path";
import { canonicalDomain } from "../../../core/pipeline/mod.ts";
import { KeyError, PrivateKey } from "./private_key.ts";
import type { SigningKey } from "./sign.ts";

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
  readonly trouble: (message: string) => void;
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
