/** What peers say that is not for this server: other protocols, verbs of other times. Non-job: what becomes of them. */

/** The first line of a peer that does not speak SMTP (cross-protocol attacks, scanners). */
export const FOREIGN = /^(?:(?:GET|POST|PUT|HEAD|CONNECT|OPTIONS|DELETE|PATCH|TRACE|PRI) |SSH-|HTTP\/|USER |\{|<)/i;
/** Verbs of other times and servers: worth a word in the log. */
export const OTHERS_VERBS: ReadonlySet<string> = new Set(
  ["HELO", "EHLO", "LHLO", "ETRN", "ATRN", "TURN", "SEND", "SOML", "SAML", "BURL", "XFORWARD", "XADR", "PROXY"],
);
