/**
 * Ports for servers that cannot be told to take port 0. They come from below the range that the kernel gives to
 * outgoing connections, so that no client of a parallel test takes one between the choice and the use.
 */

/** A port of 127.0.0.1 that nobody listens on now. */
export function freePort(): number {
  for (let tries = 0; tries < 200; tries++) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error("no free port between 10000 and 30000");
}
