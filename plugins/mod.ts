/** The plugins that come with Postern, by the name that a configuration uses. A static list: nothing is searched for. */
import { account_guard } from "./access/account_guard/mod.ts";
import { chaos } from "./access/chaos/mod.ts";
import { ban } from "./access/ban/mod.ts";
import { bounce } from "./access/bounce/mod.ts";
import { dnsbl } from "./access/dnsbl/mod.ts";
import { early_talker } from "./access/early_talker/mod.ts";
import { geoip } from "./access/geoip/mod.ts";
import { greylist } from "./access/greylist/mod.ts";
import { null_mx } from "./access/null_mx/mod.ts";
import { rate_limit } from "./access/rate_limit/mod.ts";
import { relay } from "./access/relay/mod.ts";
import { reputation } from "./access/reputation/mod.ts";
import { sender_login } from "./access/sender_login/mod.ts";
import { spam_trap } from "./access/spam_trap/mod.ts";
import { tarpit } from "./access/tarpit/mod.ts";
import { verify_recipient } from "./access/verify_recipient/mod.ts";
import { address_map } from "./accounts/address_map/mod.ts";
import { recipients } from "./accounts/recipients/mod.ts";
import { accounts } from "./auth/accounts/mod.ts";
import { any_login } from "./auth/any_login/mod.ts";
import { certificates } from "./auth/certificates/mod.ts";
import { dovecot_auth } from "./auth/dovecot_auth/mod.ts";
import { http_auth } from "./auth/http_auth/mod.ts";
import { ldap_auth } from "./auth/ldap_auth/mod.ts";
import { oauth } from "./auth/oauth/mod.ts";
import { attachments } from "./content/attachments/mod.ts";
import { clamav } from "./content/clamav/mod.ts";
import { feedback } from "./content/feedback/mod.ts";
import { headers } from "./content/headers/mod.ts";
import { milter } from "./content/milter/mod.ts";
import { rspamd } from "./content/rspamd/mod.ts";
import { spamScore } from "./content/spam_score/mod.ts";
import { rewrite } from "./content/rewrite/mod.ts";
import { spamassassin } from "./content/spamassassin/mod.ts";
import { submission } from "./content/submission/mod.ts";
import { arc } from "./identity/arc/mod.ts";
import { dkim } from "./identity/dkim/mod.ts";
import { uribl } from "./content/uribl/mod.ts";
import { dmarc } from "./identity/dmarc/mod.ts";
import { fcrdns } from "./identity/fcrdns/mod.ts";
import { helo } from "./identity/helo/mod.ts";
import { spf } from "./identity/spf/mod.ts";
import { arc_seal } from "./outbound/arc_seal/mod.ts";
import { archive } from "./outbound/archive/mod.ts";
import { srs } from "./outbound/srs/mod.ts";
import { verp } from "./outbound/verp/mod.ts";
import { dkim_sign } from "./outbound/dkim_sign/mod.ts";
import { discard } from "./storage/discard/mod.ts";
import { inbox } from "./storage/inbox/mod.ts";
import { maildir } from "./storage/maildir/mod.ts";

/** Factories by the name that a configuration uses. */
export const PLUGINS = {
  accounts,
  http_auth,
  dovecot_auth,
  ldap_auth,
  oauth,
  certificates,
  any_login,
  chaos,
  ban,
  rate_limit,
  geoip,
  dnsbl,
  early_talker,
  tarpit,
  account_guard,
  sender_login,
  address_map,
  srs,
  verp,
  bounce,
  relay,
  spam_trap,
  recipients,
  verify_recipient,
  greylist,
  null_mx,
  fcrdns,
  helo,
  spf,
  dkim,
  arc,
  dmarc,
  reputation,
  headers,
  submission,
  feedback,
  archive,
  attachments,
  uribl,
  rewrite,
  clamav,
  rspamd,
  spamassassin,
  milter,
  spam_score: spamScore,
  maildir,
  inbox,
  discard,
  arc_seal,
  dkim_sign,
} as const;

export { openNetworks } from "./access/relay/world.ts";
export { type Ban, Bans, subjectIn } from "./access/ban/bans.ts";
export { ChaosRules, RulesError, type UsedRule } from "./access/chaos/rules.ts";
export { moduleOf } from "./modules.ts";
