/**
 * The end of a TLS handshake on a socket that was open before, on either side: it is secure, or both sockets are gone.
 * Non-job: beginning it (server_tls.ts, client_tls.ts), time limits (the caller destroys the socket).
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

/** No session came of it. The message is for the log; both sockets are destroyed. */
export class HandshakeError extends Error {
  override readonly name = "HandshakeError";
}

export const LEFT = "the peer left in the handshake";

/**
 * Resolves with `secured`, paused: its listeners are to be set at once. `event`: what this side tells of success.
 *
 * @throws {HandshakeError}
 */
export function handshaken(
  secured: TLSSocket,
  socket: Socket,
  event: "secure" | "secureConnect",
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => {
      secured.off(event, done).off("end", left).off("close", left).off("error", broken);
      secured.destroy();
      socket.destroy();
      reject(new HandshakeError(reason));
    };
    const left = () => fail(LEFT);
    const broken = (error: Error) => fail(error.message);
    const done = () => {
      secured.off("end", left).off("close", left).off("error", broken);
      // Octets that are no TLS in the middle of a session make no "error": it would hang (case 46)
      secured.on("_tlsError", (error) => secured.destroy(error));
      resolve(secured);
    };
    secured.on("error", ignore);
    secured.once(event, done).once("end", left).once("close", left).once("error", broken);
  }).then(() => {
    // Who left in the segment that ended the handshake has had its "end", which nobody could hear
    if (!secured.destroyed && !secured.readableEnded) return secured;
    secured.destroy();
    socket.destroy();
    throw new HandshakeError(LEFT);
  });
}

/** Whoever owns the socket hears of it by its own listeners. */
export function ignore(): void {}
