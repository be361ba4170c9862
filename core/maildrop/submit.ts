/**
 * Hands one message in at a listener of this machine, by SMTP as any client would: what the server would say to it over
 * the network it says here too. Non-job: which listener (core/config/local_site.ts), what follows from a refusal.
 */
import type { Door } from "../config/local_site.ts";
import { parseAddress } from "../model/address.ts";
import { isIPv4 } from "../model/ip.ts";
import { Deadlines } from "../net/deadline.ts";
import { openOutbound, type OutboundPlace } from "../net/outbound_open.ts";
import { found, type Outcome } from "../smtp/client/mod.ts";
import type { Drop } from "./drop.ts";

/** A message to hand in. */
export type Submission = Pick<Drop, "from" | "to" | "notify" | "ret" | "envid" | "content">;
export interface SubmitOptions {
  readonly door: Door;
  /** What we call ourselves. */
  readonly hostname: string;
  /** Milliseconds for a connection (default 10 s). */
  readonly connectTimeout?: number;
  readonly signal?: AbortSignal;
}

/** What became of each recipient, in their order. Never rejects. A server that cannot be reached defers. */
export async function submit(mail: Submission, options: SubmitOptions): Promise<readonly Outcome[]> {
  const sender = mail.from === "" ? null : parseAddress(mail.from);
  const all = (outcome: Outcome) => mail.to.map(() => outcome);
  if (mail.from !== "" && sender === null) return all(found("reject", "5.1.7", "The sender is no address", "envelope"));
  const addresses = mail.to.map((each) => parseAddress(each));
  const good = addresses.filter((each) => each !== null);
  const wrong = found("reject", "5.1.3", "This is no address", "envelope");
  if (good.length === 0) return all(wrong);
  const { connection, failures } = await openOutbound({
    to: placeOf(options.door.address),
    session: { hostname: options.hostname, tls: "never", now: Date.now },
    tls: null,
    deadlines: new Deadlines(),
    connectTimeout: options.connectTimeout ?? 10_000,
    ...options.signal && { signal: options.signal },
  });
  if (connection === null) {
    return all(failures.at(-1)?.outcome ?? found("defer", "4.4.1", "No connection", "greeting"));
  }
  const cut = () => connection.destroy("stopped");
  options.signal?.addEventListener("abort", cut, { once: true });
  try {
    const { notify, ret, envid, content } = mail;
    const outcomes = await connection.deliver({
      sender,
      recipients: good.map((address) => ({ address, parameters: { notify, orcpt: null } })),
      parameters: { ret, envid, auth: null },
      content: {
        size: content.length,
        body: content.some((octet) => octet > 127) ? "8BITMIME" : "7BIT",
        utf8Header: false,
      },
    }, () => content);
    let at = 0;
    return addresses.map((address) => address === null ? wrong : outcomes[at++]!);
  } catch (error) { // a word that no command can have
    return all(found("reject", "5.5.4", (error as Error).message, "envelope"));
  } finally {
    options.signal?.removeEventListener("abort", cut);
    await connection.quit();
  }
}

/** Where the listener is from here: at every address of this machine means at loopback. */
export function placeOf(address: Door["address"]): OutboundPlace {
  if ("path" in address) return address;
  const { host, port } = address;
  const near = host === "0.0.0.0" ? ["127.0.0.1"] : host === "::" ? ["::1", "127.0.0.1"] : null;
  return { addresses: near ?? (host === "localhost" ? ["127.0.0.1", "::1"] : [host]), port };
}

/** The same as text, for people. */
export function nameOf(door: Door): string {
  const place = placeOf(door.address);
  if ("path" in place) return place.path;
  const [host = ""] = place.addresses;
  return `${isIPv4(host) ? host : `[${host}]`}:${place.port}`;
}
