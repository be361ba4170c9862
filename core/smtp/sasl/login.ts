/** LOGIN, which no RFC describes: two prompts, two answers. What old mail programs know beside PLAIN. */
import type { Mechanism } from "./mechanism.ts";
import { PasswordClaim } from "./password_claim.ts";
import { readName, readPassword } from "./response.ts";

const utf8 = new TextEncoder();
/** Some clients compare the prompts with these very letters. */
const USERNAME = utf8.encode("Username:"), PASSWORD = utf8.encode("Password:");

export const LOGIN: Mechanism = {
  name: "LOGIN",
  plaintext: true,
  needsBinding: false,
  needsCertificate: false,
  async claim(initial, peer, connection) {
    const user = readName(initial ?? await peer.challenge(USERNAME), "user name"); // an initial response is the user name
    const password = readPassword(await peer.challenge(PASSWORD));
    return new PasswordClaim({ user, authzid: "", password }, connection.passwords);
  },
};
