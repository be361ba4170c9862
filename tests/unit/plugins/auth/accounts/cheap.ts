/** Hashes that cost less than new ones do, for tests that make many. */
import { scrypt } from "node:crypto";
import { formatScryptHash } from "../../../../../core/model/scrypt_hash.ts";

/** `$scrypt$...` of a password with N = 2^ln, the least that is taken unless said otherwise. */
export function cheapHash(password: string, ln = 10): Promise<string> {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const cost = { ln, r: 8, p: 1 };
  return new Promise((resolve, reject) =>
    scrypt(
      password,
      salt,
      32,
      { N: 2 ** ln, r: 8, p: 1, maxmem: 2 ** 28 },
      (error, hash) =>
        error ? reject(error) : resolve(formatScryptHash({ ...cost, salt, hash: Uint8Array.from(hash) })),
    )
  );
}
