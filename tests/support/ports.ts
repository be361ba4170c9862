/**
 * Ports for servers that cannot be told to take port 0. They come from below the range that the kernel gives to
 * outgoing connections, so that no client of a parallel test takes one between the choice and the use; and each is
 * claimed by a file, so that two tests that start servers at the same moment never get the same one.
 */
import { join } from "./paths.ts";

const CLAIMS = join(Deno.env.get("TMPDIR") ?? "/tmp", "postern-test-ports");
/** Milliseconds after which a claim is nobody's: its server listens, or has ended. */
const CLAIMED = 600_000;

/** A port of 127.0.0.1 that nobody listens on now, and that nobody else is given for ten minutes. */
export function freePort(): number {
  for (let tries = 0; tries < 200; tries++) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (!claim(port)) continue;
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error("no free port between 10000 and 30000");
}

/** The file is the claim, its age says whether it still counts. */
function claim(port: number): boolean {
  Deno.mkdirSync(CLAIMS, { recursive: true, mode: 0o777 });
  const file = join(CLAIMS, String(port));
  try {
    Deno.openSync(file, { write: true, createNew: true }).close();
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  try {
    const { mtime } = Deno.statSync(file);
    if (Date.now() - (mtime?.getTime() ?? 0) < CLAIMED) return false;
    Deno.removeSync(file);
  } catch { /* somebody else is at it */ }
  return false;
}
