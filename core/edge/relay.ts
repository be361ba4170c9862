/**
 * A way on by SMTP: accepted mail goes to one server, over the platform's own TCP sockets. No queue stands behind it, so
 * what that server does not take now is put off, and the platform comes again. Non-job: MX hosts, TLS policies of
 * destinations (core/delivery): name a smart host.
 */
import { NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS } from "../model/envelope.ts";
import { defer, reject } from "../model/reply.ts";
import type { ClientCredentials } from "../smtp/sasl/client/mod.ts";
import type { MailTransaction, Outcome } from "../smtp/client/mod.ts";
import type { EdgeDelivery, EdgeMail, NotDelivered } from "./mail.ts";
import { sendOver } from "./smtp.ts";
import type { EdgeConnect } from "./socket.ts";

/** Where to, and how. */
export interface RelayOptions {
  /** `connect` of `cloudflare:sockets`. */
  readonly connect: EdgeConnect;
  /** The server: a name, for certificates are made out to names. */
  readonly host: string;
  /** Default: 587, or 465 where TLS comes first. Platforms close 25. */
  readonly port?: number;
  /**
   * `starttls` (default) and `implicit`: in TLS or not at all, and the platform verifies the certificate. `none`: in
   * clear, for a server beside this one.
   */
  readonly tls?: "starttls" | "implicit" | "none";
  /** Who we are there. */
  readonly login?: ClientCredentials;
  /** What we call ourselves. */
  readonly hostname: string;
  /** Milliseconds for one answer (default 30,000). */
  readonly patience?: number;
}

/**
 * Hands accepted mail to a server by SMTP.
 *
 * @example
 * ```ts
 * import { type EdgeConnect, relayTo } from "postern/edge";
 * const relay = (connect: EdgeConnect) => // import { connect } from "cloudflare:sockets"
 *   relayTo({
 *     connect,
 *     host: "mail.example.org",
 *     hostname: "edge.example.org",
 *     login: { user: "edge", password: "a long one" },
 *   });
 * console.assert(typeof relay === "function");
 * ```
 */
export function relayTo(options: RelayOptions): EdgeDelivery {
  const { connect, host, tls = "starttls", login, hostname, patience = 30_000 } = options;
  const port = options.port ?? (tls === "implicit" ? 465 : 587);
  return {
    carries: "message",
    async deliver(mail) {
      const content = mail.content();
      const secureTransport = tls === "none" ? "off" : tls === "implicit" ? "on" : "starttls";
      const socket = connect({ hostname: host, port }, { secureTransport, allowHalfOpen: false });
      const outcomes = await sendOver(socket, { transaction: transactionOf(mail, content), content }, {
        session: {
          hostname,
          tls: tls === "starttls" ? "required" : "never",
          now: Date.now,
          ...login && {
            login: {
              credentials: login,
              server: { host, port },
              inClear: tls === "none",
              random: (length) => crypto.getRandomValues(new Uint8Array(length)),
            },
          },
        },
        serverName: host,
        secure: tls === "implicit",
        patience,
        signal: mail.signal,
      });
      return mail.recipients.flatMap((recipient, at) => notDelivered(recipient, outcomes[at]!));
    },
  };
}

function transactionOf({ sender, recipients }: EdgeMail, content: Uint8Array): MailTransaction {
  const eight = content.some((octet) => octet > 127);
  return {
    sender,
    recipients: recipients.map(({ address }) => ({ address, parameters: NO_RCPT_PARAMETERS })),
    parameters: NO_MAIL_PARAMETERS,
    content: { size: content.length, body: eight ? "8BITMIME" : "7BIT", utf8Header: false },
  };
}

const BEFORE_MAIL: ReadonlySet<string> = new Set(["greeting", "hello", "starttls", "auth"]);

function notDelivered(recipient: EdgeMail["recipients"][number], outcome: Outcome): NotDelivered[] {
  const { verdict, status, text, phase } = outcome;
  if (verdict === "accept") return [];
  // What the operator is to mend there makes no mail undeliverable
  const final = verdict === "reject" && !BEFORE_MAIL.has(phase);
  const [, rest = "0.0"] = /^\d\.(\d{1,3}\.\d{1,3})$/.exec(status) ?? [];
  const reply = final ? reject(`5.${rest}` as "5.0.0", text) : defer(`4.${rest}` as "4.0.0", text);
  return [{ recipient, reply }];
}
