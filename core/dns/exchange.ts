/**
 * One question to one server, over UDP or TCP (RFC 1035 4.2, RFC 7766). Every UDP question has a socket and so a source
 * port of its own; what comes from elsewhere, or does not repeat the question, is not an answer (RFC 5452).
 * Non-job: which server next (stub.ts).
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { canonicalIp } from "../model/ip.ts";
import { encodeQuestion, type Question, readAnswer, type Reading } from "./message.ts";
import type { Exchanged } from "./rounds.ts";

/** A name server. */
export interface Server {
  /** An IP address. */
  readonly address: string;
  /** From 1 to 65535. */
  readonly port: number;
}
export interface ExchangeOptions {
  readonly edns: boolean;
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

/** After this many messages that are none of ours somebody is guessing: TCP cannot be guessed at. */
const MAX_FOREIGN = 16;

/** Asks over UDP. Never rejects. */
export function overUdp(server: Server, question: Question, options: ExchangeOptions): Promise<Exchanged> {
  const { promise, settle } = race(options, () => socket.close());
  const from = canonicalIp(server.address);
  let foreign = 0;
  const socket = createSocket(server.address.includes(":") ? "udp6" : "udp4");
  socket.on("error", () => settle({ kind: "unreachable" }));
  socket.on("message", (octets, peer) => {
    const matches = peer.port === server.port && canonicalIp(peer.address) === from;
    const reading: Reading = matches ? readAnswer(octets, question) : { kind: "foreign" };
    if (reading.kind !== "foreign") settle(reading);
    else if (++foreign > MAX_FOREIGN) settle({ kind: "truncated" });
  });
  socket.bind(0, () => {
    socket.send(encodeQuestion(question, options.edns), server.port, server.address, (error) => {
      if (error) settle({ kind: "unreachable" });
    });
  });
  return promise;
}

/** Asks over TCP. Never rejects. An answer is bounded by its length field, 65,535 octets. */
export function overTcp(server: Server, question: Question, options: ExchangeOptions): Promise<Exchanged> {
  const { promise, settle } = race(options, () => socket.destroy());
  const asked = encodeQuestion(question, options.edns);
  const framed = new Uint8Array(asked.length + 2);
  new DataView(framed.buffer).setUint16(0, asked.length);
  framed.set(asked, 2);
  let buffer = new Uint8Array(512), filled = 0;
  const socket = connect({ host: server.address, port: server.port }, () => socket.write(framed));
  socket.on("error", () => settle({ kind: "unreachable" }));
  socket.on("close", () => settle({ kind: "unreachable" }));
  socket.on("data", (chunk: Uint8Array) => {
    const needed = filled + chunk.length;
    if (needed > buffer.length) {
      const larger = new Uint8Array(Math.min(Math.max(needed, buffer.length * 2), 65_537));
      larger.set(buffer.subarray(0, filled));
      buffer = larger;
    }
    const room = chunk.subarray(0, buffer.length - filled);
    buffer.set(room, filled);
    filled += room.length;
    if (filled < 2) return;
    const end = 2 + (buffer[0]! << 8 | buffer[1]!);
    if (filled < end) return;
    const reading = readAnswer(buffer.subarray(2, end), question);
    // There is one question on this connection: a message about anything else is a broken server.
    const broken = reading.kind === "foreign" || reading.kind === "truncated";
    settle(broken ? { kind: "refused" } : reading);
  });
  return promise;
}

/** The first settlement counts: it ends the timer, the listener and the socket. */
function race(options: ExchangeOptions, close: () => void) {
  const { promise, resolve } = Promise.withResolvers<Exchanged>();
  let done = false;
  const settle = (outcome: Exchanged): void => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
    close();
    resolve(outcome);
  };
  const onAbort = () => settle({ kind: "silence" });
  const timer = setTimeout(onAbort, options.timeout);
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.signal?.aborted) queueMicrotask(onAbort); // gave up before the second try; the socket is not there yet
  return { promise, settle };
}
