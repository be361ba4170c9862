/**
 * The keys of the configuration file, each with its type, its default and its sentence. An unknown key is an error.
 * Non-job: what one key means for another (load.ts), the entries of `plugins` (plugins.ts).
 */
import { z } from "zod";
import { MECHANISMS } from "../smtp/sasl/mod.ts";
import { HIDEABLE } from "../smtp/extensions.ts";
import { Delivery, Dns, NextHops } from "./delivery/schema.ts";
import { duration, rate, size } from "./units.ts";
import {
  address,
  addressPattern,
  count,
  domainPattern,
  endpoint,
  hostname,
  network,
  permissions,
  tcp,
  timeOfDay,
} from "./values.ts";
import { Token } from "./tokens.ts";
import { Webhook } from "./webhooks.ts";

export const Role = z.enum(["mx", "submission", "lmtp"]);

/** When TLS begins on a listener. */
const TlsMode = z.enum(["off", "offer", "require", "implicit"]);

/** Read entry by entry (plugins.ts), or a word for the usual ones (defaults.ts). */
const PluginList = z.union([z.literal("standard"), z.array(z.unknown())]);

export const Listener = z.strictObject({
  address: endpoint.describe("Where to listen: host:port, or unix:PATH."),
  mode: permissions.optional().describe(
    'Permissions of a socket file, such as "0660": who may write may connect; by default what the umask leaves.',
  ),
  name: z.string().min(1).max(64).optional().describe("Its name in logs and conditions; the address unless given."),
  role: Role.prefault("mx").describe(
    "What it is for: mail from the world (mx), from one's own users (submission), or local delivery by LMTP (lmtp).",
  ),
  tls: TlsMode.optional().describe(
    "When TLS begins: never (off), with STARTTLS (offer), with STARTTLS before anything else (require), at once (implicit).",
  ),
  auth: z.strictObject({
    required: z.boolean().optional().describe("MAIL waits for a login; by default where the role is submission."),
    withoutTls: z.boolean().prefault(false).describe("Logins in clear text too, where nobody can listen in."),
    mechanisms: z.array(z.enum([...MECHANISMS.keys()])).min(1).optional().describe(
      "SASL mechanisms that are offered; by default those that the plugins can check, without -PLUS.",
    ),
  }).prefault({}).describe("Logins (RFC 4954)."),
  proxy: z.array(network).prefault([]).describe("Peers that begin with a PROXY protocol header, version 1 or 2."),
  xclient: z.array(network).prefault([]).describe("Peers that may say by XCLIENT for whom they speak."),
  hideClient: z.boolean().prefault(false).describe("Received does not show where somebody who is logged in sits."),
  plugins: PluginList.optional().describe("A list of its own instead of the common one."),
  delayRefusals: z.boolean().prefault(true).describe("Speak refusals of connect, helo and mail at RCPT."),
  binarymime: z.boolean().prefault(false).describe("Offer BINARYMIME (RFC 3030)."),
  bareLf: z.enum(["reject", "normalize"]).prefault("reject").describe(
    "What a line end that is not CRLF in content means.",
  ),
  forbidEarlyTalk: z.boolean().prefault(true).describe("Hang up on a client that does not wait for its turn."),
  lenientPaths: z.boolean().prefault(false).describe("Take MAIL FROM and RCPT TO without angle brackets."),
  ehlo: z.strictObject({
    hide: z.array(z.enum(HIDEABLE)).prefault([]).describe("Extensions that are not offered."),
  }).prefault({}).describe("What EHLO offers."),
  vrfy: z.enum(["neutral", "off"]).prefault("neutral").describe("Answer VRFY with 252, or with 502."),
});

export const Limits = z.strictObject({
  messageSize: size({ min: 64 * 1024 }).prefault("50MiB").describe("The largest message (RFC 1870)."),
  recipients: count().min(100, { error: "must be at least 100 (RFC 5321 4.5.3.1.8)" }).prefault(1000)
    .describe("Recipients of one message."),
  connections: count().optional().describe("Sessions at a time; by default what `ulimit -n` allows, at most 10,000."),
  connectionsPerIp: count().prefault(50).describe("Sessions at a time from one address (IPv6: one /64)."),
  received: count(1000).prefault(100).describe("Received fields before a message counts as a loop (RFC 5321 6.3)."),
  headerBytes: size({ min: 16 * 1024, max: 16 * 2 ** 20 }).prefault("256KiB").describe("The largest header section."),
  line: size({ min: 1000 }).optional().describe("The longest line in content; without it any length is kept as it is."),
  commandLine: size({ min: 1036, max: 65536 }).prefault("2048B").describe("The longest command line."),
  errors: count(1000).prefault(20).describe("Bad commands before the session ends."),
  junk: count().prefault(100).describe(
    "Commands that move nothing (NOOP, RSET, EHLO again, refused recipients) for each message, before they count as bad.",
  ),
  idleTimeout: duration({ min: 1000 }).prefault("5m").describe("Waiting for a command (RFC 5321 4.5.3.2.7)."),
  stressTimeout: duration({ min: 1000 }).prefault("10s")
    .describe("What of these times is left to a stranger while the server is pressed."),
  handshakeTimeout: duration({ min: 1000 }).prefault("30s").describe("Time for a TLS handshake."),
  dataTimeout: duration({ min: 1000 }).prefault("5m").describe("Waiting for the next octets of a message."),
  minimumRate: size().prefault("500B").describe("Octets per second that a message must average over a minute."),
  pluginsTime: duration({ min: 1000, max: 540_000 }).prefault("120s")
    .describe("Time for all plugins after the last octet; clients wait ten minutes at most (RFC 5321 4.5.3.2.6)."),
  bodyMemory: size({ min: 2 ** 20 }).prefault("32MiB").describe("Memory for message bodies, all sessions together."),
  memory: size({ min: 64 * 2 ** 20 }).optional()
    .describe("Memory of the process; by default nine tenths of the machine's or the container's."),
  lag: duration({ min: 10, max: 1000 }).prefault("100ms")
    .describe("How late the event loop may be before strangers' mail is bounded: the rest is 421 or 451."),
  diskReserve: size().prefault("100MiB").describe("Disk space that stays free: below it mail is refused with 452."),
  drainTime: duration().prefault("30s").describe("Time for running messages to finish after a stop."),
});

export const Tls = z.strictObject({
  certificates: z.array(z.strictObject({
    cert: z.string().min(1).describe("PEM file: the certificate, then the chain."),
    key: z.string().min(1).describe("PEM file: its private key."),
  })).min(1).optional()
    .describe("Which one a client gets is said by the name it asks for (SNI); the first is for all others."),
  selfSigned: z.boolean().prefault(false)
    .describe("Instead of certificates: one that only vouches for itself, kept in the data folder. For trials."),
  minVersion: z.enum(["1.2", "1.3"]).prefault("1.2").describe("The oldest version of TLS."),
  clientCa: z.string().min(1).optional().describe("PEM file: who vouches for certificates of clients (AUTH EXTERNAL)."),
}).refine(({ certificates, selfSigned }) => (certificates === undefined) === selfSigned, {
  message: "needs certificates: [{ cert: FILE, key: FILE }], or for a trial selfSigned: true, and not both",
});

export const Auth = z.strictObject({
  lockout: z.strictObject({
    delay: duration({ max: 30_000 }).prefault("8s").describe("The longest delay of a login; it doubles until then."),
    failuresPerAccount: count().prefault(10)
      .describe("Failed logins of one account from one network (/24, IPv6: /48) before it is locked out there."),
    failuresPerPrefix: count().prefault(50)
      .describe("Failed logins from one network (/24, IPv6: /48) before it is locked out."),
    window: duration({ min: 60_000, max: 86_400_000 }).prefault("1h").describe("How long a failure counts."),
    lockout: duration({ min: 1000 }).prefault("5m").describe("The first lock-out; the next ones are twice as long."),
    longestLockout: duration({ min: 1000, max: 7 * 86_400_000 }).prefault("1d").describe("The longest lock-out."),
    alert: count().prefault(100)
      .describe("Failed logins of one account from everywhere within the window before a person is told."),
  }).prefault({}).describe("What failed logins lead to."),
});

export const Quarantine = z.strictObject({
  keep: z.union([duration({ min: 60_000 }), z.literal("forever").transform(() => null)]).prefault("30d")
    .describe("How long mail that a plugin held waits for a person before it goes, and nobody is told; or forever."),
  size: size({ min: 2 ** 20 }).prefault("1GiB").describe("All of it together: what does not fit is refused with 452."),
});

export const Ledger = z.union([
  z.literal("off").transform(() => null),
  z.strictObject({
    keep: z.union([duration({ min: 3600_000 }), z.literal("forever").transform(() => null)]).prefault("30d")
      .describe("How long it is known who came, what was decided and why; or forever."),
    size: size({ min: 16 * 2 ** 20 }).prefault("1GiB").describe("All of it together: the oldest goes first."),
    redact: z.enum(["none", "local-part", "hash"]).prefault("none").describe(
      "How addresses stand there: as they are, without what is before the @, or with a keyed hash in its place.",
    ),
  }),
]);
export const Recordings = z.strictObject({
  networks: z.array(network).prefault([]).describe("Only sessions of these clients; none named: of all."),
  listeners: z.array(z.string().min(1)).prefault([]).describe("Only sessions of these listeners; none named: of all."),
  bodies: z.boolean().prefault(false).describe("Contents of messages too; without it only their sizes."),
  keep: duration({ min: 60_000, max: 90 * 86_400_000 }).prefault("7d").describe("How long a recording is kept."),
  size: size({ min: 2 ** 20 }).prefault("256MiB").describe("All of them together: the oldest go first."),
});

export const Admin = z.strictObject({
  address: tcp.prefault("127.0.0.1:8025").describe("Where the site and the HTTP API listen."),
  token: z.string().min(16, { error: "must have at least 16 characters" }).optional()
    .describe("The token that every request carries. With a configuration file there must be one."),
  hosts: z.array(z.string().min(1)).prefault([]).describe("Host names it is reached by, besides loopback ones."),
  release: z.strictObject({
    to: z.array(addressPattern).min(1).describe("Addresses that a person may send a message of the dev inbox to."),
    via: z.string().min(1).optional().describe("The next hop that it goes through; by default the domain's own hosts."),
    from: address.optional().describe("Whom it comes from, and who hears when it bounces; by default postmaster."),
  }).optional().describe("Sending messages of the dev inbox on; without it none leaves."),
  tokens: z.array(Token).prefault([]).describe("Further tokens, each with what it may do."),
  rate: rate().optional().describe(
    "Requests of one token, and of one network (IPv6: /64); 600/1m unless given, and then this machine is not counted.",
  ),
});

export const LogLevel = z.enum(["debug", "info", "warning", "error"]);
export const Log = z.strictObject({
  level: LogLevel.prefault("info").describe("The least that is written."),
  format: z.enum(["text", "json"]).prefault("text").describe("A line for people, or a JSON object a line."),
});

export const Metrics = z.strictObject({
  domains: count(1000).or(z.literal(0)).prefault(50)
    .describe("Recipients' domains, the busiest ones, with series of their own; all others together are `other`."),
});
export const Tracing = z.strictObject({
  addresses: z.boolean().prefault(false).describe(
    "Spans hold addresses, names that were asked for and reasons too; whoever reads traces sees who writes to whom.",
  ),
});
export const Summary = z.strictObject({
  to: address.optional().describe("Who gets it; by default postmaster."),
  at: timeOfDay.prefault("06:00").describe("When it is sent, UTC."),
  when: z.enum(["always", "unusual"]).prefault("always").describe(
    "Every day, or only when something wants a person: what is stuck, broken, or ends soon.",
  ),
});

/** The file. `listeners` and `plugins` are read entry by entry, so that each fault is found. */
export const Threads = z.union([count(64), z.literal("auto")]);

export const File = z.strictObject({
  hostname: hostname.prefault("localhost").describe("This host's name: in the greeting, in Received, as authserv-id."),
  data: z.string().min(1).prefault("./data").describe("The folder that must survive; one process owns it."),
  listeners: z.array(Listener).min(1)
    .prefault([{ address: "127.0.0.1:2525" }]).describe("Where mail comes in."),
  domains: z.array(domainPattern).prefault([]).describe("The local domains; `*.name` is all below a name."),
  postmaster: address.optional().describe("Where mail for postmaster goes, in every domain (RFC 5321 4.5.1)."),
  tls: Tls.optional().describe("Certificates and what goes with them."),
  limits: Limits.prefault({}).describe("What a peer may use up."),
  plugins: PluginList.prefault([]).describe("The plugins, in their order, or standard: what a small mail host wants."),
  store: z.string().prefault("sqlite").describe(
    "sqlite, memory (nothing survives), or postgres://... (postgres.md).",
  ),
  threads: Threads.prefault(1).describe("Threads that talk SMTP; auto: as many as there are processors, at most 8."),
  nextHops: NextHops.prefault({}).describe("Hosts of one's own that mail can be routed to, by a name."),
  delivery: Delivery.prefault({}).describe("How mail leaves, and what its senders are told."),
  dns: Dns.optional().describe("The name servers to ask, instead of those that this host asks."),
  quarantine: Quarantine.prefault({}).describe("Mail that plugins hold for a person."),
  ledger: Ledger.prefault({}).describe("What is written down of every session and message; off: nothing."),
  recordings: Recordings.optional().describe("Sessions are recorded for `postern replay`; without it none is."),
  auth: Auth.prefault({}).describe("Logins."),
  admin: Admin.optional().describe("The admin site and the HTTP API; without it there is none."),
  webhooks: z.array(Webhook).prefault([]).describe("Who is told of events by HTTP."),
  log: Log.prefault({}).describe("What is written to standard output."),
  metrics: Metrics.prefault({}).describe("What /metrics shows."),
  tracing: Tracing.prefault({}).describe("What spans of OpenTelemetry hold."),
  summary: Summary.optional().describe("A mail each day about the day; without it there is none."),
});

/** Keys that are promised and not there yet: saying so is better than calling them unknown. */
export const LATER: Readonly<Record<string, string>> = {
  "plugins[].sandbox": "the sandbox is not in this version; leave the key out",
};
