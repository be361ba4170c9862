/**
 * Where the plugins that come with Postern are, for those who import one of them alone: a sandbox loads a plugin, and not
 * all of them. Non-job: the plugins themselves (mod.ts).
 */

/** By the name that a configuration uses: the folder, and the name of the factory where that is another one. */
const FOLDERS: Readonly<Record<string, string | readonly [folder: string, factory: string]>> = {
  accounts: "auth/accounts",
  http_auth: "auth/http_auth",
  dovecot_auth: "auth/dovecot_auth",
  ldap_auth: "auth/ldap_auth",
  oauth: "auth/oauth",
  certificates: "auth/certificates",
  any_login: "auth/any_login",
  chaos: "access/chaos",
  ban: "access/ban",
  rate_limit: "access/rate_limit",
  geoip: "access/geoip",
  dnsbl: "access/dnsbl",
  early_talker: "access/early_talker",
  tarpit: "access/tarpit",
  account_guard: "access/account_guard",
  sender_login: "access/sender_login",
  address_map: "accounts/address_map",
  srs: "outbound/srs",
  verp: "outbound/verp",
  bounce: "access/bounce",
  relay: "access/relay",
  spam_trap: "access/spam_trap",
  recipients: "accounts/recipients",
  verify_recipient: "access/verify_recipient",
  greylist: "access/greylist",
  null_mx: "access/null_mx",
  fcrdns: "identity/fcrdns",
  helo: "identity/helo",
  spf: "identity/spf",
  dkim: "identity/dkim",
  arc: "identity/arc",
  dmarc: "identity/dmarc",
  reputation: "access/reputation",
  headers: "content/headers",
  submission: "content/submission",
  feedback: "content/feedback",
  archive: "outbound/archive",
  attachments: "content/attachments",
  uribl: "content/uribl",
  rewrite: "content/rewrite",
  clamav: "content/clamav",
  rspamd: "content/rspamd",
  spamassassin: "content/spamassassin",
  milter: "content/milter",
  spam_score: ["content/spam_score", "spamScore"],
  maildir: "storage/maildir",
  inbox: "storage/inbox",
  discard: "storage/discard",
  arc_seal: "outbound/arc_seal",
  dkim_sign: "outbound/dkim_sign",
};

/** The module of a plugin and the name it exports its factory under; null: there is no such plugin. */
export function moduleOf(plugin: string): { readonly url: string; readonly exported: string } | null {
  const found = Object.hasOwn(FOLDERS, plugin) ? FOLDERS[plugin]! : null;
  if (found === null) return null;
  const [folder, exported] = typeof found === "string" ? [found, plugin] : found;
  return { url: import.meta.resolve(`./${folder}/mod.ts`), exported };
}
