/** The sockets of an edge platform over those of Deno: for tests of what speaks over them. */
import type { EdgeConnect, EdgeSocket } from "postern/edge";

/** Trusts this authority. */
export function denoConnect(ca: string | null = null): EdgeConnect {
  const caCerts = ca === null ? [] : [ca];
  return ({ hostname, port }, { secureTransport }) =>
    secureTransport === "on"
      ? socketOf(Deno.connectTls({ hostname, port, caCerts }), caCerts)
      : socketOf(Deno.connect({ hostname, port }), caCerts);
}

function socketOf(opening: Promise<Deno.TcpConn | Deno.TlsConn>, caCerts: string[]): EdgeSocket {
  const opened = opening.then(() => ({}));
  opened.catch(() => {});
  let upgraded = false;
  return {
    opened,
    readable: new ReadableStream({
      async pull(controller) {
        const connection = await opening, buffer = new Uint8Array(16_384);
        const size = await connection.read(buffer);
        if (size === null) controller.close();
        else controller.enqueue(buffer.subarray(0, size));
      },
    }, { highWaterMark: 0 }),
    writable: new WritableStream({
      async write(octets) {
        const connection = await opening;
        for (let at = 0; at < octets.length;) at += await connection.write(octets.subarray(at));
      },
    }),
    async close() {
      if (upgraded) return;
      try {
        (await opening).close();
      } catch { /* it is closed, or was never there */ }
    },
    startTls({ expectedServerHostname: hostname } = {}) {
      upgraded = true;
      const tls = opening.then((connection) =>
        Deno.startTls(connection as Deno.TcpConn, { caCerts, ...hostname !== undefined && { hostname } })
      ).then(async (connection) => (await connection.handshake(), connection));
      return socketOf(tls, caCerts);
    },
  };
}
