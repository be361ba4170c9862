/**
 * THE transition table: which verb is in order in which state, and where it leads once it succeeded (RFC 5321 4.1.4).
 * A verb that is missing in a row is 503 there and changes nothing. Must not know: replies, policy, bytes.
 */

/**
 * `greeting`: the 220 has not been said. `refused`: it was a 554. `start`: nobody introduced themselves. `ready`: no
 * transaction. `handshake`: TLS begins. `auth`: the lines of a login. `mail`, `rcpt`: an open transaction without and with recipients. `data`: octets follow till the dot.
 * `bdat`: between chunks. `spoiled`: a chunk failed, all is refused till RSET (RFC 3030 4.2). `closed`: the end.
 */
export type State =
  | "greeting"
  | "refused"
  | "start"
  | "ready"
  | "handshake"
  | "auth"
  | "mail"
  | "rcpt"
  | "data"
  | "bdat"
  | "spoiled"
  | "closed";

export type Verb =
  | "HELO"
  | "EHLO"
  | "LHLO"
  | "MAIL"
  | "RCPT"
  | "DATA"
  | "BDAT"
  | "RSET"
  | "NOOP"
  | "QUIT"
  | "HELP"
  | "VRFY"
  | "EXPN"
  | "STARTTLS"
  | "AUTH"
  | "XCLIENT";

type Row = Readonly<Partial<Record<Verb, State>>>;
/** "A client MAY send NOOP, HELP, EXPN, VRFY, RSET, QUIT at any time" (RFC 5321 4.1.4). */
const anywhere = (here: State, reset: State): Row => ({
  NOOP: here,
  HELP: here,
  VRFY: here,
  EXPN: here,
  RSET: reset,
  QUIT: "closed",
});
const hello: Row = { HELO: "ready", EHLO: "ready", LHLO: "ready" };

export const TRANSITIONS: Readonly<Record<State, Row>> = {
  greeting: {},
  refused: { QUIT: "closed" }, //                                                                RFC 5321 3.1
  // STARTTLS is no mail transaction: it needs no EHLO (RFC 5321 4.1.4), and there are clients that say none before it
  start: { ...anywhere("start", "start"), ...hello, STARTTLS: "handshake", XCLIENT: "greeting" },
  ready: {
    ...anywhere("ready", "ready"),
    ...hello,
    STARTTLS: "handshake",
    AUTH: "ready",
    XCLIENT: "greeting",
    MAIL: "mail",
  },
  handshake: {}, //                                                     not a word before it is done   RFC 3207 4.2
  auth: {}, //                                                      everything is a response           RFC 4954 4
  mail: { ...anywhere("mail", "ready"), ...hello, RCPT: "rcpt" },
  rcpt: { ...anywhere("rcpt", "ready"), ...hello, RCPT: "rcpt", DATA: "data", BDAT: "bdat" },
  data: {}, //                                                                  everything is content till the dot
  bdat: { ...anywhere("bdat", "ready"), ...hello, BDAT: "bdat" }, //     DATA after BDAT: 503, RFC 3030 2
  spoiled: { ...anywhere("spoiled", "ready"), ...hello }, //                                     RFC 3030 4.2
  closed: {},
};
