/**
 * A private OpenSMTPD on a port of loopback: keeps mail for the accounts of its domain in Maildirs, hands all other mail
 * on to one next hop. Offers what it has: 8BITMIME, DSN, STARTTLS with a certificate. Root only.
 */
import { Daemon } from "./daemon.ts";
import { waitForMail } from "./maildir.ts";
import { freePort } from "./ports.ts";
import { TempFolder } from "./temp.ts";
import type { Pair } from "./tls.ts";
import { inWorld, unpacked, unpackedFolder, whatLacks, type World } from "./unpacked.ts";
import { waitFor } from "./wait.ts";

/** What a test with it lacks, or null. */
export const OPENSMTPD_MISSING: string | null = whatLacks("smtpd");

export interface OpenSmtpdOptions {
  /** Whose mail it keeps (default peer.example). */
  readonly domain?: string;
  /** Local parts that are there; all others get 550. */
  readonly accounts?: readonly string[];
  /** Where mail for other domains goes, as smtpd.conf(5) has it: smtp://127.0.0.1:2525; absent, that is refused. */
  readonly onward?: string;
  readonly tls?: Pair;
}

/** Who owns the Maildirs: mail is a user of every Debian. */
const OWNER = { name: "mail", id: 8 };
const HOME = "/var/lib/opensmtpd/empty";

export class OpenSmtpd implements AsyncDisposable {
  private constructor(
    readonly port: number,
    private readonly folder: TempFolder,
    private readonly daemon: Daemon,
  ) {}

  static async start(options: OpenSmtpdOptions = {}): Promise<OpenSmtpd> {
    const folder = await TempFolder.make("postern-opensmtpd-"), port = freePort();
    try {
      await Deno.chmod(folder.path, 0o755);
      for (const name of ["spool", "spool/smtpd", "lib", "lib/opensmtpd", "lib/opensmtpd/empty", "run", "mail"]) {
        await Deno.mkdir(folder.at(name));
      }
      await Deno.chmod(folder.at("spool/smtpd"), 0o711);
      await Deno.chown(folder.at("mail"), OWNER.id, OWNER.id);
      const conf = await folder.file("smtpd.conf", configuration(folder.path, port, options));
      const world: World = {
        accounts: { opensmtpd: { id: 64_001, home: HOME }, opensmtpq: { id: 64_002 } },
        over: {
          "/var/spool": folder.at("spool"),
          "/var/lib": folder.at("lib"),
          "/run": folder.at("run"),
          "/usr/libexec": unpackedFolder("usr/libexec"),
        },
      };
      const command = await inWorld(folder.path, world, [unpacked("smtpd"), "-d", "-f", conf]);
      return new OpenSmtpd(port, folder, await Daemon.start("OpenSMTPD", command, [port]));
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Waits for so many messages of an account, oldest first. */
  async mailOf(local: string, count = 1): Promise<Uint8Array<ArrayBuffer>[]> {
    return await waitForMail(this.folder.at(`mail/${local}`), { count, log: () => Promise.resolve(this.log()) });
  }

  /** Waits for a line of the log. */
  async logged(what: RegExp): Promise<RegExpExecArray> {
    return await waitFor(`${what} in OpenSMTPD's log`, () => what.exec(this.log())).catch((error) => {
      throw new Error(`${(error as Error).message}\n${this.log()}`);
    });
  }

  log(): string {
    return this.daemon.output;
  }

  /** Tries everything that waits again, now. */
  async flush(): Promise<void> {
    // In its own world, where its socket is
    const args = ["--target", String(this.daemon.pid), "--mount", unpacked("smtpctl"), "schedule", "all"];
    await new Deno.Command("nsenter", { args, stdout: "null", stderr: "null" }).output();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

function configuration(folder: string, port: number, options: OpenSmtpdOptions): string {
  const { domain = "peer.example", accounts = [], onward, tls } = options, host = `mx.${domain}`;
  const users = accounts.map((local) => `"${local}@${domain}" = "${OWNER.name}"`);
  return `${tls ? `pki ${host} cert "${tls.certFile}"\npki ${host} key "${tls.keyFile}"` : ""}
listen on 127.0.0.1 port ${port} hostname ${host}${tls ? ` tls pki ${host}` : ""}
table people { "${OWNER.name}" = "${OWNER.id}:${OWNER.id}:${folder}/mail" }
${
    users.length === 0 ? "" : `table users { ${users.join(", ")} }
action "keep" maildir "${folder}/mail/%{dest.user}" userbase <people> virtual <users>
match from any for domain "${domain}" action "keep"`
  }
${
    onward === undefined
      ? ""
      : `action "onward" relay host ${onward} helo ${host}\nmatch from any for any action "onward"`
  }
`;
}
