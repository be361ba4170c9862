/**
 * `sendmail -bs`: SMTP on standard input and output, said to the running server. Non-job: understanding it.
 */
import { connect } from "node:net";
import type { LocalSite } from "../../core/config/local_site.ts";
import { placeOf } from "../../core/maildrop/submit.ts";
import { DONE, type ExitCode, type Terminal } from "../terminal.ts";
import { EX_TEMPFAIL } from "./sysexits.ts";

/** Ends when the server hangs up. */
export async function proxy({ door, hostname }: LocalSite, terminal: Terminal): Promise<ExitCode> {
  const place = door === null ? null : placeOf(door.address);
  const socket = place === null ? null : await reach(
    "path" in place ? place : { host: place.addresses[0]!, port: place.port },
  );
  if (socket === null) { // RFC 5321 3.8: not now
    terminal.octets(new TextEncoder().encode(`421 4.3.2 ${hostname} takes no mail now, try again later\r\n`));
    return EX_TEMPFAIL;
  }
  const heard = (async () => {
    for await (const octets of socket) terminal.octets(octets as Uint8Array);
  })();
  const spoken = (async () => {
    for await (const octets of terminal.stream()) {
      if (!socket.write(octets)) {
        await new Promise<void>((go) => void (socket.once("drain", go), socket.once("close", go)));
      }
      if (socket.destroyed) return;
    }
    socket.end();
  })();
  spoken.catch(() => socket.destroy());
  await heard.catch(() => {});
  return DONE;
}

function reach(where: { path: string } | { host: string; port: number }) {
  const socket = connect(where);
  return new Promise<typeof socket | null>((resolve) => {
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(null));
  });
}
