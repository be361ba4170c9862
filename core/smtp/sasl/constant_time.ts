/** Comparison of secrets whose time tells nothing of where they differ. Non-job: what the secrets are. */

/**
 * Whether both are the same. Looks at every octet; only the lengths may be learned from the time it takes.
 *
 * @example
 * ```ts
 * import { equalOctets } from "./constant_time.ts";
 * import { assert } from "@std/assert";
 * assert(equalOctets(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
 * assert(!equalOctets(Uint8Array.of(1, 2), Uint8Array.of(1, 3)));
 * ```
 */
export function equalOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}
