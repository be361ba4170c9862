/** Messages for the tests of the stores: plain values, and the few steps that every test takes. */
import { newId } from "../../../core/model/id.ts";
import type { Address } from "../../../core/model/address.ts";
import { NO_EDITS, NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../../../core/model/envelope.ts";
import { destinationKey } from "../../../core/queue/destination.ts";
import type { Body, NewDeposit, NewMessage, NewRecipient, Store } from "../../../core/store/store.ts";

export const T0 = 1_700_000_000_000;
let clock = T0;
/** Identifiers in ascending order. */
export const nextId = (): string => newId(clock++);

export function address(text: string): Address {
  const at = text.lastIndexOf("@");
  return { local: text.slice(0, at), domain: text.slice(at + 1) };
}
export function recipient(text: string, more: Partial<NewRecipient> = {}): NewRecipient {
  const { route = { to: "remote" } } = more;
  return {
    destination: destinationKey(route, address(text).domain),
    deadline: null,
    address: address(text),
    original: address(text),
    parameters: NO_RCPT_PARAMETERS,
    route,
    state: "ready",
    nextAttempt: T0,
    lastReply: null,
    ...more,
  };
}
export function deposit(inbox: string, text = `${inbox}@example.org`): NewDeposit {
  return { inbox, address: address(text), original: address(text) };
}
export function message(more: Partial<NewMessage> = {}): NewMessage {
  return {
    id: nextId(),
    sender: address("alice@example.org"),
    parameters: NO_MAIL_PARAMETERS,
    origin: { session: "s1", ip: "192.0.2.1", helo: "c.example", identity: null, protocol: "ESMTP", listener: "l" },
    receivedAt: T0,
    edits: NO_EDITS,
    summary: { from: "Alice <alice@example.org>", to: "bob", subject: "Hello" },
    recipients: [],
    deposits: [],
    ...more,
  };
}

/** Octets of every value, so that nothing that treats them as text can pass. */
export function octets(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode("Subject: x\r\n\r\n");
  const out = new Uint8Array(Math.max(size, head.length));
  for (let i = 0; i < out.length; i++) out[i] = (i * 31 + (i >> 8) * 7 + seed) & 255;
  out.set(head);
  return out;
}

/** Writes the octets in chunks through one reused buffer, as a socket's reader does. */
export async function body(store: Store, id: string, content: Uint8Array, chunk = 16_384): Promise<Body> {
  const writer = store.receive(id);
  const buffer = new Uint8Array(chunk);
  for (let at = 0; at < content.length; at += chunk) {
    const part = content.subarray(at, at + chunk);
    buffer.set(part);
    await writer.write(buffer.subarray(0, part.length));
    buffer.fill(0);
  }
  return await writer.finish();
}

export async function put(store: Store, more: Partial<NewMessage>, content = octets(100)): Promise<NewMessage> {
  const made = message(more);
  await store.commit(made, await body(store, made.id, content));
  return made;
}

export async function read(stream: ReadableStream<Uint8Array<ArrayBuffer>> | null): Promise<Uint8Array | null> {
  return stream && new Uint8Array(await new Response(stream).arrayBuffer());
}
