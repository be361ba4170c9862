/** Why a check of this group did not look at a client, for whoever reads what became of the mail. Constant sentences. */

/** Of a client that is left alone: it has logged in, or nobody outside knows its address. */
export function unchecked({ identity }: { readonly identity: string | null }): string {
  return identity !== null ? LOGGED_IN : OWN;
}
const LOGGED_IN = "Not checked: the client has logged in";
const OWN = "Not checked: the client is this machine, or in a network of your own";
