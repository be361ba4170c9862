/**
 * The output of a child, which both of its threads write to. Non-job: what is written (inside.ts, child.ts).
 */

/** The code that a child exits with when it took more memory than it may. */
export const TOO_MUCH = 86;
const { stdout } = Deno; // what the plugin prints goes elsewhere by then

/**
 * All of it at once: while the server does not read, this thread waits, and what it has to say waits in it.
 *
 * @throws {Error} when nobody reads any more.
 */
export function writeAll(octets: Uint8Array): void {
  for (let at = 0; at < octets.length;) at += stdout.writeSync(octets.subarray(at));
}
