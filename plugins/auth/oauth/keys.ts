/**
 * The keys of an issuer (JWK Set, RFC 7517 5), fetched from where it publishes them. Anybody can make a token with a key
 * id that nobody knows, so that one such token costs a fetch only when the last one is a while ago; so does a key server
 * that is down. Non-job: which keys an algorithm may use (jose).
 */
import { type CompactJWSHeaderParameters, createLocalJWKSet, errors, type FlattenedJWSInput } from "jose";
import type { CryptoKey, JSONWebKeySet } from "jose";
import type { Endpoint } from "../endpoint.ts";

export interface KeysOptions {
  readonly endpoint: Endpoint;
  /** Milliseconds between two fetches, whatever tokens say. */
  readonly cooldown: number;
  /** Milliseconds after which keys are fetched anew, so that a withdrawn one ends. */
  readonly maxAge: number;
}

/** The issuer's keys cannot be had: that says nothing about the token. */
export class KeysUnavailable extends Error {
  override readonly name = "KeysUnavailable";
}

type KeySet = (header: CompactJWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>;

export class Keys {
  readonly #options: KeysOptions;
  #set: KeySet | null = null;
  #fetched = 0;
  #tried = -Infinity;
  #why = "";
  #pending: Promise<void> | null = null;

  constructor(options: KeysOptions) {
    this.#options = options;
  }

  /** The key that the header names. @throws {KeysUnavailable}, or {JOSEError} when there is none. */
  async find(header: CompactJWSHeaderParameters, token: FlattenedJWSInput, now: number): Promise<CryptoKey> {
    if (this.#set === null || !within(this.#fetched, now, this.#options.maxAge)) await this.#refresh(now);
    try {
      return await this.#set!(header, token);
    } catch (error) {
      // Perhaps the issuer has a new key
      if (!(error instanceof errors.JWKSNoMatchingKey) || within(this.#tried, now, this.#options.cooldown)) throw error;
      await this.#refresh(now);
      return await this.#set!(header, token);
    }
  }

  async #refresh(now: number): Promise<void> {
    if (this.#pending === null) {
      if (within(this.#tried, now, this.#options.cooldown) && this.#why !== "") {
        throw new KeysUnavailable(`${this.#why}, a moment ago`);
      }
      this.#tried = now;
      this.#pending = this.#fetch(now).finally(() => this.#pending = null);
    }
    await this.#pending;
  }

  async #fetch(now: number): Promise<void> {
    try {
      const { status, value } = await this.#options.endpoint.ask({});
      if (status !== 200) throw new Error(`the keys' address answered ${status}`);
      this.#set = createLocalJWKSet(value as JSONWebKeySet); // looks at its shape
      this.#fetched = now;
      this.#why = "";
    } catch (error) {
      this.#why = error instanceof errors.JOSEError
        ? "the keys' address answers no JWK Set"
        : error instanceof Error
        ? error.message
        : "failed";
      throw new KeysUnavailable(this.#why);
    }
  }
}

/** Whether `now` is less than `span` behind `then`; a clock that was set back ends the span. */
function within(then: number, now: number, span: number): boolean {
  return now >= then && now - then < span;
}
