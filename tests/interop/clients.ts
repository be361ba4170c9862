/**
 * Real mail clients, each as its users call it: deliver a message in a file to one recipient. Non-job: checking what
 * came of it (clients_test.ts).
 */
import nodemailer from "nodemailer";
import type { Program } from "../support/debian.ts";
import { run } from "./run.ts";

export interface Delivery {
  readonly port: number;
  readonly from: string;
  readonly to: string;
  /** The message with CRLF line ends, and a file of it. */
  readonly message: Uint8Array;
  readonly file: string;
  /** The same with LF line ends, as most programs of Unix want it. */
  readonly lfFile: string;
  /** And without the last LF, for those that always end the last line themselves. */
  readonly openFile: string;
}

export interface Client {
  readonly name: string;
  readonly needs: readonly Program[];
  /** How many messages one call sends (default 1). */
  readonly sends?: number;
  deliver(delivery: Delivery): Promise<unknown>;
}

const SMTPLIB = `import smtplib, sys
port, sender, to, path = sys.argv[1:]
with smtplib.SMTP("127.0.0.1", int(port), local_hostname="client.example") as server:
    refused = server.sendmail(sender, [to], open(path, "rb").read(), mail_options=["BODY=8BITMIME"])
    assert refused == {}, refused
`;

const MANY = 200;

export const CLIENTS: readonly Client[] = [
  {
    name: "swaks",
    needs: ["swaks"],
    deliver: ({ port, from, to, openFile }) =>
      run("swaks", ["--server", `127.0.0.1:${port}`, "--from", from, "--to", to, "--data", `@${openFile}`]),
  },
  {
    name: "curl",
    needs: ["curl"],
    deliver: ({ port, from, to, file }) => {
      const url = `smtp://127.0.0.1:${port}/client.example`;
      return run("curl", ["-sS", "--url", url, "--mail-from", from, "--mail-rcpt", to, "--upload-file", file]);
    },
  },
  {
    name: "Python's smtplib",
    needs: ["python3"],
    deliver: ({ port, from, to, file }) => run("python3", ["-c", SMTPLIB, String(port), from, to, file]),
  },
  {
    name: "nodemailer",
    needs: [],
    async deliver({ port, from, to, message }) {
      const transport = nodemailer.createTransport({ host: "127.0.0.1", port, secure: false, ignoreTLS: true });
      try {
        await transport.sendMail({ envelope: { from, to: [to] }, raw: new TextDecoder().decode(message) });
      } finally {
        transport.close();
      }
    },
  },
  {
    name: "msmtp",
    needs: ["msmtp"],
    deliver: ({ port, from, to, lfFile }) => {
      const options = ["--host=127.0.0.1", `--port=${port}`, `--from=${from}`, "--auth=off", "--tls=off"];
      return run("msmtp", [...options, "--domain=client.example", "--", to], { input: lfFile });
    },
  },
  {
    name: "Postfix's smtp-source",
    needs: ["smtp-source"],
    sends: MANY,
    deliver: ({ port, from, to, openFile }) => {
      const options = ["-s", "10", "-m", String(MANY), "-f", from, "-t", to, "-F", openFile];
      return run("smtp-source", [...options, `127.0.0.1:${port}`]);
    },
  },
];
