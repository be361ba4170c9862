/**
 * Clients of OAUTHBEARER (RFC 7628) and XOAUTH2: a token, said at once. A challenge is the server's reason against it; it
 * is answered by the empty thing that the mechanism has for that, and the refusal follows. Non-job: getting tokens.
 */
import { escapeName } from "../gs2.ts";
import { type ClientCredentials, type SaslClient, SaslFailed } from "./client.ts";

const utf8 = new TextEncoder();
// RFC 6750 2.1: b64token
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

class BearerClient implements SaslClient {
  readonly #message: string;
  readonly #empty: string;
  #refused = false;

  constructor(readonly name: string, message: string, empty: string) {
    this.#message = message;
    this.#empty = empty;
  }

  initial(): Promise<Uint8Array> {
    return Promise.resolve(utf8.encode(this.#message));
  }

  // deno-lint-ignore require-await -- so that what it throws is a rejection
  async respond(_challenge: Uint8Array): Promise<Uint8Array> {
    if (this.#refused) throw new SaslFailed(`The server asks for more than ${this.name} has`);
    this.#refused = true;
    return utf8.encode(this.#empty);
  }

  done(): boolean {
    return !this.#refused;
  }
}

function checked({ user, token }: ClientCredentials): string {
  if (token === undefined || !TOKEN.test(token)) throw new SaslFailed("The token is missing, or no Bearer token");
  if (/[\0\x01]/.test(user)) throw new SaslFailed("The user name has control characters");
  return token;
}

/** `server`: what was connected to, which RFC 7628 3.1 has the client say. @throws {SaslFailed} */
export function oauthBearerClient(
  credentials: ClientCredentials,
  server: { readonly host: string; readonly port: number },
): SaslClient {
  const token = checked(credentials), user = escapeName(credentials.authzid || credentials.user);
  const header = user === "" ? "n,," : `n,a=${user},`;
  const pairs = [`host=${server.host}`, `port=${server.port}`, `auth=Bearer ${token}`];
  return new BearerClient("OAUTHBEARER", `${header}\x01${pairs.join("\x01")}\x01\x01`, "\x01"); // RFC 7628 3.2.3
}

/** What Google and Microsoft had before the RFC. @throws {SaslFailed} */
export function xoauth2Client(credentials: ClientCredentials): SaslClient {
  const token = checked(credentials);
  if (credentials.user === "") throw new SaslFailed("The user name is missing");
  return new BearerClient("XOAUTH2", `user=${credentials.user}\x01auth=Bearer ${token}\x01\x01`, "");
}
