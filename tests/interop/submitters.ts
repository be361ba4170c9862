/**
 * Real mail programs that log in: each submits a message over TLS, by the mechanism it is told. Non-job: delivering
 * without a login (clients.ts), checking what came of it (submission_test.ts).
 */
import nodemailer from "nodemailer";
import type { Program } from "../support/debian.ts";
import { run } from "./run.ts";

export interface Submission {
  readonly port: number;
  /** TLS from the first octet instead of STARTTLS. */
  readonly implicit: boolean;
  /** PEM file of who vouches for the server, which is 127.0.0.1 and localhost. */
  readonly caFile: string;
  readonly user: string;
  readonly password: string;
  /** A SASL mechanism; for those of OAuth `password` is the token. */
  readonly mechanism: string;
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  /** The whole message: octets, a file with CRLF, one with LF and without the last line end. */
  readonly message: Uint8Array;
  readonly file: string;
  readonly lfFile: string;
  readonly openFile: string;
  /** The text alone, for programs that make the header themselves. */
  readonly textFile: string;
  /** An empty folder of its own. */
  readonly home: string;
}

export interface Submitter {
  readonly name: string;
  readonly needs: readonly Program[];
  readonly mechanisms: readonly string[];
  /** Mechanisms that it uses only where nothing else is offered. */
  readonly alone?: readonly string[];
  /** Makes the header itself. */
  readonly composes?: boolean;
  submit(submission: Submission): Promise<unknown>;
}

const SMTPLIB = `import smtplib, ssl, sys
port, implicit, ca, user, password, mechanism, sender, to, path = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if implicit == "true":
    server = smtplib.SMTP_SSL("localhost", int(port), local_hostname="client.example", context=context)
else:
    server = smtplib.SMTP("localhost", int(port), local_hostname="client.example")
    server.starttls(context=context)
with server:
    server.ehlo()
    if mechanism == "login":
        server.login(user, password)
    else:
        server.user, server.password = user, password
        server.auth(mechanism, getattr(server, "auth_" + mechanism.lower().replace("-", "_")))
    refused = server.sendmail(sender, [to], open(path, "rb").read())
    assert refused == {}, refused
`;

const isToken = (mechanism: string) => mechanism === "XOAUTH2" || mechanism === "OAUTHBEARER";

/** scheme://user:password@host:port, as mutt and s-nail want it. */
function urlOf(scheme: string, { user, password, port }: Submission): string {
  return `${scheme}://${encodeURIComponent(user)}:${encodeURIComponent(password)}@localhost:${port}`;
}

export const SUBMITTERS: readonly Submitter[] = [
  {
    name: "swaks",
    needs: ["swaks"],
    mechanisms: ["PLAIN", "LOGIN", "CRAM-MD5"],
    submit: (s) =>
      run("swaks", [
        ...["--server", `127.0.0.1:${s.port}`, "--from", s.from, "--to", s.to, "--data", `@${s.openFile}`],
        ...[s.implicit ? "--tls-on-connect" : "--tls", "--tls-verify", "--tls-ca-path", s.caFile],
        ...["--auth", s.mechanism, "--auth-user", s.user, "--auth-password", s.password],
      ]),
  },
  {
    name: "curl",
    needs: ["curl"],
    mechanisms: ["PLAIN", "LOGIN", "CRAM-MD5", "OAUTHBEARER"],
    alone: ["XOAUTH2"],
    submit: (s) =>
      run("curl", [
        ...["-sS", "--url", `${s.implicit ? "smtps" : "smtp"}://127.0.0.1:${s.port}/client.example`, "--ssl-reqd"],
        ...["--cacert", s.caFile, "--login-options", `AUTH=${s.mechanism}`],
        ...isToken(s.mechanism)
          ? ["--user", `${s.user}:`, "--oauth2-bearer", s.password]
          : ["--user", `${s.user}:${s.password}`],
        ...["--mail-from", s.from, "--mail-rcpt", s.to, "--upload-file", s.file],
      ]),
  },
  {
    name: "msmtp",
    needs: ["msmtp"],
    mechanisms: ["SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"],
    submit: (s) =>
      run("msmtp", [
        ...["--host=127.0.0.1", `--port=${s.port}`, `--from=${s.from}`, "--domain=client.example"],
        ...["--tls=on", `--tls-starttls=${s.implicit ? "off" : "on"}`, `--tls-trust-file=${s.caFile}`],
        ...[`--auth=${s.mechanism.toLowerCase()}`, `--user=${s.user}`, `--passwordeval=echo '${s.password}'`],
        ...["--", s.to],
      ], { input: s.lfFile }),
  },
  {
    name: "Python's smtplib",
    needs: ["python3"],
    mechanisms: ["login", "PLAIN", "LOGIN", "CRAM-MD5"],
    submit: (s) =>
      run("python3", [
        ...["-c", SMTPLIB, String(s.port), String(s.implicit), s.caFile, s.user, s.password, s.mechanism],
        ...[s.from, s.to, s.file],
      ]),
  },
  {
    name: "nodemailer",
    needs: [],
    mechanisms: ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"],
    async submit(s) {
      const transport = nodemailer.createTransport({
        host: "127.0.0.1",
        port: s.port,
        secure: s.implicit,
        requireTLS: !s.implicit,
        tls: { ca: await Deno.readTextFile(s.caFile) },
        ...isToken(s.mechanism)
          ? { auth: { type: "OAuth2", user: s.user, accessToken: s.password } }
          : { auth: { user: s.user, pass: s.password }, authMethod: s.mechanism },
      });
      try {
        await transport.sendMail({ envelope: { from: s.from, to: [s.to] }, raw: new TextDecoder().decode(s.message) });
      } finally {
        transport.close();
      }
    },
  },
  {
    name: "mutt",
    needs: ["mutt"],
    mechanisms: ["SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5"],
    composes: true,
    async submit(s) {
      const rc = `${s.home}/muttrc`;
      await Deno.writeTextFile(
        rc,
        `set smtp_url="${urlOf(s.implicit ? "smtps" : "smtp", s)}/"
set smtp_authenticators="${s.mechanism.toLowerCase()}"
set ssl_force_tls=yes
set ssl_starttls=yes
set certificate_file="${s.caFile}"
set from="${s.from}"
set use_envelope_from=yes
set envelope_from_address="${s.from}"
set record=""
set hostname="client.example"
`,
      );
      await run("mutt", ["-n", "-F", rc, "-s", s.subject, "--", s.to], { input: s.textFile, home: s.home });
    },
  },
  {
    name: "s-nail",
    needs: ["s-nail"],
    mechanisms: ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"],
    composes: true,
    submit: (s) =>
      run("s-nail", [
        ...["-:/", "-S", "v15-compat=yes", "-S", `mta=${urlOf(s.implicit ? "submissions" : "submission", s)}`],
        ...[
          "-S",
          `smtp-auth=${isToken(s.mechanism) ? "oauthbearer" : s.mechanism.toLowerCase()}`,
          "-S",
          `tls-ca-file=${s.caFile}`,
          "-S",
          "tls-ca-no-defaults",
        ],
        ...["-S", "tls-verify=strict", "-S", "smtp-use-starttls", "-S", "hostname=client.example"],
        ...["-S", `from=${s.from}`, "-r", s.from, "-s", s.subject, s.to],
      ], { input: s.textFile, home: s.home }),
  },
  {
    name: "postern send",
    needs: [],
    mechanisms: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"],
    submit: (s) =>
      run(Deno.execPath(), [
        ...["run", "-A", new URL("../../cli/main.ts", import.meta.url).pathname, "send"],
        ...["--server", `127.0.0.1:${s.port}`, s.implicit ? "--tls" : "--starttls", "--ca", s.caFile],
        ...["--auth", `${s.user}:${s.password}`, "--mechanism", s.mechanism],
        ...["--from", s.from, "--to", s.to, "--file", s.file],
      ]),
  },
];
