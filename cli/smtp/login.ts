/**
 * AUTH, client side: base64 and 334 around a SASL client (RFC 4954). Nothing that it says or hears of secrets is shown.
 * Non-job: what the mechanisms say (core/smtp/sasl/client).
 */
import { type Channel, chooseMechanism, type ClientCredentials, SaslFailed } from "../../core/smtp/sasl/client/mod.ts";
import { DialogueError } from "./connection.ts";
import type { Said } from "./dialogue.ts";

/** Who logs in, and how. */
export interface Login {
  readonly user: string;
  /** Password, or token for the mechanisms that want one. */
  readonly secret: string;
  /** Upper case; undefined: the best that is offered. */
  readonly mechanism?: string | undefined;
}

const PLUS = "SCRAM-SHA-256-PLUS";
const TOKENS = new Set(["OAUTHBEARER", "XOAUTH2"]);
/** RFC 4954 4: a longer AUTH goes without the initial response. */
const MAX_COMMAND = 12_288;
/** No mechanism here has more challenges. */
const MAX_CHALLENGES = 8;

/** One command and its reply; `shown` stands in the trace. */
export type Say = (line: string, shown?: string) => Promise<Said>;

/**
 * Logs in.
 *
 * @param offered the words behind AUTH in the answer to EHLO
 * @returns the reply that ended it: 235, or why not
 * @throws {DialogueError} when no mechanism suits, or the server could not prove what it had to
 */
export async function logIn(say: Say, login: Login, { offered, channel }: {
  readonly offered: readonly string[];
  readonly channel: Channel;
}): Promise<Said> {
  try {
    return await exchange(say, login, offered, channel);
  } catch (error) {
    if (error instanceof SaslFailed) throw new DialogueError(`login failed: ${error.message}`);
    throw error;
  }
}

async function exchange(say: Say, login: Login, offered: readonly string[], channel: Channel): Promise<Said> {
  const client = login.mechanism === undefined
    ? chooseMechanism(offered, credentialsOf(login), channel)
    : chooseMechanism([login.mechanism], credentialsOf(login), told(login.mechanism, offered, channel));
  if (client === null) throw new DialogueError(reasonAgainst(login, offered, channel));
  const first = await client.initial();
  const whole = first === null ? null : `AUTH ${client.name} ${encoded(first) || "="}`; // RFC 4954 4: = is nothing
  const fits = whole !== null && whole.length + 2 <= MAX_COMMAND;
  let said = fits ? await say(whole, `AUTH ${client.name} ***`) : await say(`AUTH ${client.name}`);
  let pending = fits ? null : first;
  for (let count = 0; said.code === 334; count++) {
    let response: Uint8Array;
    try {
      if (count > MAX_CHALLENGES) throw new SaslFailed("The server never stops asking");
      response = pending ?? await client.respond(decoded(said.lines.at(-1)!));
    } catch (error) {
      await say("*"); // RFC 4954 4: cancels
      throw error;
    }
    pending = null;
    said = await say(encoded(response), "***");
  }
  if (said.code === 235 && !client.done()) throw new SaslFailed("The server said yes without proving that it may");
  return said;
}

function credentialsOf({ user, secret, mechanism }: Login): ClientCredentials {
  if (mechanism === "EXTERNAL") return { user, authzid: user };
  return mechanism !== undefined && TOKENS.has(mechanism) ? { user, token: secret } : { user, password: secret };
}

/** The channel where somebody has named the mechanism: that is leave to use it here, and its certificate is there. */
function told(mechanism: string, offered: readonly string[], channel: Channel): Channel {
  // Who names SCRAM without -PLUS where -PLUS is offered does not want the binding; saying "y" would be a lie (RFC 5802 6).
  const unbound = mechanism !== PLUS && offered.includes(PLUS);
  return { ...channel, confidential: true, certificate: true, ...unbound && { bindings: new Map() } };
}

function reasonAgainst({ mechanism }: Login, offered: readonly string[], { confidential }: Channel): string {
  if (mechanism === PLUS) return `${PLUS} has nothing to bind to here: it wants TLS`;
  if (offered.length === 0) return "the server offers no AUTH here";
  const cover = confidential ? "" : "; without TLS a password is shown only by the mechanism that --mechanism names";
  return `the server offers AUTH ${offered.join(" ")}, none of which will do${cover}`;
}

function encoded(octets: Uint8Array): string {
  return octets.toBase64();
}

function decoded(text: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(text.trim());
  } catch {
    throw new SaslFailed("The challenge is not base64");
  }
}
