/**
 * Plugins of which each instance may be alone: why nothing of them has to count together. A plugin that stands neither here
 * nor among the proofs (instances_test.ts) fails the test, and so does one that stands here and uses the store.
 */
const MESSAGE = "what it says follows from the message, its envelope and the options";
const DNS = "it asks DNS, whose answers each process keeps for their time";
const FILE = "each instance reads its table, and reads it again when it changes";
const SERVER = "another server decides; what an instance keeps is its connections";
const KEPT = "another server decides; an instance keeps a yes for the time that the options say, and never a no";

export const ALONE: Readonly<Record<string, string>> = {
  http_auth: KEPT,
  ldap_auth: KEPT,
  oauth: KEPT,
  dovecot_auth: SERVER,
  certificates: FILE,
  any_login: "it lets everybody in",
  geoip: FILE,
  dnsbl: DNS,
  sender_login: MESSAGE,
  address_map: FILE,
  verp: MESSAGE,
  bounce: "a return path proves itself by its signature, whoever wrote it",
  relay: MESSAGE,
  spam_trap: "it says what it saw; ban and reputation count it, in the store",
  recipients: FILE,
  null_mx: DNS,
  fcrdns: DNS,
  helo: DNS,
  spf: DNS,
  dkim: DNS,
  arc: DNS,
  headers: MESSAGE,
  submission: MESSAGE,
  archive: "what it copies stands in the queue with the message",
  attachments: MESSAGE,
  uribl: DNS,
  rewrite: MESSAGE,
  clamav: SERVER,
  spamassassin: SERVER,
  milter: "a conversation belongs to a session, and a session to an instance",
  maildir: "a file has the name of its message and of its recipient: two that store the same store one",
  inbox: "deposits are rows of the store",
  discard: "it keeps nothing",
  arc_seal: MESSAGE,
  dkim_sign: MESSAGE,
};
