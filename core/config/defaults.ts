/**
 * What runs where nothing is configured: a dev inbox on loopback. Every domain is taken, everything lands in the inbox,
 * and nothing ever leaves the machine: no plugin of the list gives a remote route, and deliveries are off. The checks are
 * there so that one sees what they would say of a message; none of them refuses anything.
 */

/** As it would stand in a file; what a file leaves out is in schema.ts. */
export const DEV_INBOX = {
  hostname: "localhost",
  data: "./data",
  listeners: [{
    address: "127.0.0.1:2525",
    auth: { withoutTls: true },
    xclient: ["127.0.0.0/8", "::1"],
    delayRefusals: false, // an error on purpose is spoken where it was asked for
  }],
  domains: ["*"],
  plugins: [
    { chaos: {} }, // errors on purpose: only for those who ask for them
    { any_login: {} },
    // In earnest they would refuse; here they only say so (SEMANTICS 14)
    { spf: { fail: "reject" }, mode: "observe" },
    "dkim",
    { dmarc: { quarantine: "hold", reject: "reject" }, mode: "observe" },
    { headers: {}, mode: "observe" },
    { spam_score: { bayes: { enabled: false } }, mode: "observe" },
    { inbox: { everything: true } },
  ],
  admin: { address: "127.0.0.1:8025" },
} as const;

/** Name service of the dev inbox, milliseconds and rounds: without a network nobody should have to wait for one. */
export const DEV_INBOX_DNS = { timeout: 1000, attempts: 1 } as const;

/**
 * What `plugins: standard` stands for: mail for the accounts of recipients.yaml into Maildirs, from the world and from
 * the logins of accounts.txt. Each plugin acts where its role is, so it is a set for each role; `accounts` is there only
 * where somebody can log in. What DKIM, ARC and DMARC find is noted: who refuses for it should know his forwarders first.
 */
export function standardPlugins(roles: ReadonlySet<string>): readonly unknown[] {
  return [
    ...(roles.has("submission") ? [{ accounts: { file: "./accounts.txt" } }] : []),
    { rate_limit: { messagesPerIp: "100/1m" }, roles: ["mx"] },
    "account_guard",
    "sender_login",
    { spf: { fail: "reject" } },
    "relay",
    { recipients: { file: "./recipients.yaml" } },
    "null_mx",
    "dkim",
    "arc",
    "dmarc",
    "headers",
    "submission",
    { spam_score: {}, roles: ["mx"] },
    { maildir: { root: "./data/mail" } },
  ];
}

/** The file that is read where nobody names one. */
export const DEFAULT_FILE = "postern.yaml";

/** Descriptors that are not sessions: database, spool, log, site, DNS. */
const RESERVED_FILES = 256;

/** Sessions that a process with `files` descriptors can hold. Each may have a spool file beside its socket. */
export function connectionsFor(files: number): number {
  return Math.max(16, Math.min(10_000, Math.floor((files - RESERVED_FILES) / 2)));
}
