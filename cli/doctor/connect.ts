/** What a mail host shows on port 25: greets, says EHLO and STARTTLS, looks at the certificate, leaves. Sends no mail. */
import type { DetailedPeerCertificate } from "node:tls";
import { DialogueError, SmtpConnection } from "../smtp/connection.ts";
import { SmtpDialogue } from "../smtp/dialogue.ts";
import type { Shown } from "./patient.ts";

const PATIENCE = 10_000;
/** Certificates of one chain that are looked at. */
const MOST = 10;

export async function lookAt(address: string, helo: string, port = 25): Promise<Shown> {
  let connection: SmtpConnection | null = null, late = false;
  const timer = Promise.withResolvers<Shown>();
  const timeout = setTimeout(() => {
    late = true;
    connection?.[Symbol.dispose]();
    timer.resolve({ kind: "silent", why: "no answer in time" });
  }, PATIENCE);
  const look = async (): Promise<Shown> => {
    connection = await SmtpConnection.open({ host: address, port });
    if (late) connection[Symbol.dispose]();
    const dialogue = new SmtpDialogue(connection, () => {});
    const greeting = await dialogue.reply();
    if (greeting.code !== 220) return { kind: "silent", why: `it greets by ${greeting.code}` };
    const hello = await dialogue.command(`EHLO ${helo}`);
    if (!hello.lines.some((line) => /^STARTTLS\b/i.test(line))) return { kind: "clear", why: "it offers no STARTTLS" };
    const go = await dialogue.command("STARTTLS");
    if (go.code !== 220) return { kind: "clear", why: `it answers STARTTLS by ${go.code}` };
    await connection.secure({ name: helo, insecure: true });
    const tls = connection.tls!;
    return { kind: "tls", chain: chainOf(tls.getPeerCertificate(true)), version: tls.getProtocol() ?? "TLS" };
  };
  try {
    return await Promise.race([look(), timer.promise]);
  } catch (error) {
    if (error instanceof DialogueError) return { kind: "silent", why: error.message };
    throw error;
  } finally {
    clearTimeout(timeout);
    (connection as SmtpConnection | null)?.[Symbol.dispose]();
  }
}

function chainOf(certificate: DetailedPeerCertificate): Uint8Array<ArrayBuffer>[] {
  const chain: Uint8Array<ArrayBuffer>[] = [];
  for (let at: DetailedPeerCertificate | undefined = certificate; at?.raw !== undefined && chain.length < MOST;) {
    chain.push(new Uint8Array(at.raw));
    at = at.issuerCertificate === at ? undefined : at.issuerCertificate;
  }
  return chain;
}
