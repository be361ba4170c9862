/** Why a plugin of this group did not ask about a client, for whoever reads what became of the mail. Constant sentences. */

/** Of a client that is left alone: it has logged in, or nobody outside knows its address. */
export function unchecked({ identity }: { readonly identity: string | null }): string {
  return identity !== null ? LOGGED_IN : OWN;
}
const LOGGED_IN = "Not asked about: the client has logged in";
const OWN = "Not asked about: the client is this machine, or in a network that is left alone";
