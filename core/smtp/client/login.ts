/**
 * AUTH around a SASL client: which mechanism, base64, what goes along with the command (RFC 4954 4). Nothing in its
 * errors is secret. Non-job: what the mechanisms say (core/smtp/sasl/client), the replies (session.ts).
 */
import { decodeBase64 } from "../sasl/base64.ts";
import { chooseMechanism, type ClientCredentials, type SaslClient, SaslFailed } from "../sasl/client/mod.ts";
import type { PeerReply } from "./peer_reply.ts";

export interface LoginOptions {
  readonly credentials: ClientCredentials;
  /** Whom we connected to. */
  readonly server: { readonly host: string; readonly port: number };
  /** Octets that nobody can guess. */
  random(length: number): Uint8Array;
  /** Passwords may be said in clear: the path does not leave the machine, or the operator says so. */
  readonly inClear?: boolean;
}

/** What the host knows of TLS once it is on. */
export interface SecuredChannel {
  /** The peer is who it should be, as far as the host wants that; passwords are told to no other. */
  readonly trusted: boolean;
  /** What the channel can be bound by, the best first (RFC 5929, RFC 9266). */
  readonly bindings: ReadonlyMap<string, Uint8Array>;
  /** We showed a certificate of ours. */
  readonly certificate: boolean;
}

/** RFC 4954 4: a longer AUTH goes without the initial response. */
const LONGEST_COMMAND = 12_288;
const IN_CLEAR: SecuredChannel = { trusted: false, bindings: new Map(), certificate: false };

export class Login {
  readonly #options: LoginOptions;
  readonly #offered: readonly string[];
  readonly #channel: SecuredChannel;
  #client: SaslClient | null = null;
  #pending: Uint8Array | null = null;

  /** `channel`: null without TLS. */
  constructor(options: LoginOptions, offered: readonly string[], channel: SecuredChannel | null) {
    this.#options = options;
    this.#offered = offered;
    this.#channel = channel ?? IN_CLEAR;
  }

  /** True when a success said now is to be believed. */
  get proven(): boolean {
    return this.#client !== null && this.#pending === null && this.#client.done();
  }

  /** What to say next, without CRLF: AUTH at first, then the answer to the 334. @throws {SaslFailed} */
  async say(challenge: PeerReply | null): Promise<string> {
    return challenge === null ? await this.#begin() : await this.#answer(challenge);
  }

  async #begin(): Promise<string> {
    const { credentials, server, random, inClear } = this.#options, { trusted, bindings, certificate } = this.#channel;
    const confidential = trusted || inClear === true;
    const client = chooseMechanism(this.#offered, credentials, { confidential, bindings, certificate, server, random });
    if (client === null) {
      throw new SaslFailed(
        this.#offered.length === 0
          ? "The server offers no AUTH"
          : `The server offers AUTH ${this.#offered.join(" ").slice(0, 200)}: nothing that will do here`,
      );
    }
    this.#client = client;
    const initial = await client.initial();
    if (initial === null) return `AUTH ${client.name}`;
    const whole = `AUTH ${client.name} ${initial.toBase64() || "="}`; // "=" is a response of no octets   RFC 4954 4
    if (whole.length + 2 <= LONGEST_COMMAND) return whole;
    this.#pending = initial;
    return `AUTH ${client.name}`;
  }

  async #answer(challenge: PeerReply): Promise<string> {
    const pending = this.#pending;
    this.#pending = null;
    if (pending !== null) return pending.toBase64();
    const octets = decodeBase64(challenge.lines.at(-1)!.trim());
    if (octets === null) throw new SaslFailed("The challenge is not base64");
    return (await this.#client!.respond(octets)).toBase64();
  }
}
