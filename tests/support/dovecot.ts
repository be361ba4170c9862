/**
 * A private Dovecot that serves Maildirs over IMAP on a port of loopback, fills them by LMTP if it is to, and answers about
 * logins on sockets of its auth server, with a configuration of its own and as whoever runs the test. Every password is
 * right unless users are named. Non-job: giving the Maildirs to it (`give`).
 */
import { programOf } from "./debian.ts";
import { freePort } from "./ports.ts";
import { TempFolder } from "./temp.ts";
import { waitFor, within } from "./wait.ts";

export interface DovecotOptions {
  /** Names, in lower case, and their passwords. Absent: everybody, with any password. */
  readonly users?: Readonly<Record<string, string>>;
  /** SASL mechanisms of the auth server (default plain and login). */
  readonly mechanisms?: readonly string[];
  /** Takes mail by LMTP, on a port and on a socket file. */
  readonly lmtp?: boolean;
  /** Users, of those that are named, whose mailboxes are full. */
  readonly full?: readonly string[];
}

/** What a test with LMTP lacks, or null. */
export const DOVECOT_LMTP_MISSING: string | null = exists("/usr/lib/dovecot/lmtp")
  ? null
  : "dovecot-lmtpd: apt-get install dovecot-lmtpd";

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

export class Dovecot implements AsyncDisposable {
  #child: Deno.ChildProcess | null = null;

  private constructor(
    readonly port: number,
    /** The auth server, for clients that check logins there. */
    readonly authPort: number,
    /** Where it takes mail, when it does. */
    readonly lmtpPort: number,
    private readonly folder: TempFolder,
  ) {}

  /**
   * @param mailLocation Dovecot's mail_location; %d and %n are domain and local part of the login name
   */
  static async start(mailLocation: string, options: DovecotOptions = {}): Promise<Dovecot> {
    const folder = await TempFolder.make("postern-dovecot-"), port = freePort(), authPort = freePort();
    const lmtpPort = freePort(), { mechanisms = ["plain", "login"], lmtp = false, full = [] } = options;
    // Dovecot does not read mail as root, so a root test hands the Maildirs to this user (`give`).
    const root = Deno.uid() === 0, user = root ? "nobody" : await output("id", "-un");
    const group = await output("id", "-gn", user);
    await Deno.chmod(folder.path, 0o755);
    const users = Object.entries(options.users ?? {}).map(([name, password]) =>
      `${name}:{PLAIN}${password}::::::${full.includes(name) ? "userdb_quota_rule=*:bytes=1" : ""}\n`
    );
    await folder.file("users", users.join(""));
    await folder.file(
      "dovecot.conf",
      `base_dir = ${folder.at("run")}
state_dir = ${folder.at("state")}
log_path = ${folder.at("log")}
protocols = imap${lmtp ? " lmtp" : ""}
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = ${root ? "dovecot" : user}
default_internal_group = ${root ? "dovecot" : group}
default_login_user = ${root ? "dovenull" : user}
first_valid_uid = 0
mail_location = ${mailLocation}
service imap-login {
  chroot =
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
service auth {
  unix_listener ${folder.at("auth")} {
    mode = 0666
  }
  inet_listener {
    address = 127.0.0.1
    port = ${authPort}
  }
}
auth_mechanisms = ${mechanisms.join(" ")}
auth_failure_delay = 0
passdb {
  driver = ${options.users ? "passwd-file" : "static"}
  args = ${options.users ? folder.at("users") : "nopassword"}
}
userdb {
  driver = ${options.users ? "passwd-file" : "static"}
  ${options.users ? `args = ${folder.at("users")}\n  default_fields` : "args"} = uid=${user} gid=${group} home=${
        folder.at("home")
      }/%u
}
${lmtp ? lmtpService(folder.at("lmtp"), lmtpPort) : ""}`,
    );
    await Deno.mkdir(folder.at("home"), { mode: 0o777 });
    await Deno.chmod(folder.at("home"), 0o777);
    const dovecot = new Dovecot(port, authPort, lmtpPort, folder);
    try {
      await dovecot.begin();
    } catch (error) {
      const log = await dovecot.log();
      await dovecot[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}: ${log}`);
    }
    return dovecot;
  }

  /** The auth server's socket file. */
  get authSocket(): string {
    return this.folder.at("auth");
  }

  /** The socket file where it takes mail, when it does. */
  get lmtpSocket(): string {
    return this.folder.at("lmtp");
  }

  /** Again, after `end`. */
  async begin(): Promise<void> {
    const child = this.#child = new Deno.Command(programOf("dovecot")!, {
      args: ["-F", "-c", this.folder.at("dovecot.conf")],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    let ended = false;
    child.status.then(() => ended = true);
    await waitFor("Dovecot", async () => {
      if (ended) throw new Error("Dovecot ended at once");
      const connecting = Deno.connect({ hostname: "127.0.0.1", port: this.port });
      return await connecting.then((conn) => (conn.close(), true), () => false);
    });
  }

  /** Its auth process, once a login has started it. */
  authProcess(): number | null {
    return this.#children().find(({ program }) => program === "auth")?.pid ?? null;
  }

  #children(): { readonly pid: number; readonly program: string }[] {
    const master = this.#child?.pid;
    return [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name)).flatMap(({ name }) => {
      try {
        const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
        const [, program, parent] = /^\d+ \((.*)\) \S (\d+)/.exec(stat) ?? [];
        return Number(parent) === master ? [{ pid: Number(name), program: program! }] : [];
      } catch {
        return []; // it has ended
      }
    });
  }

  async end(): Promise<void> {
    const child = this.#child, children = this.#children();
    this.#child = null;
    if (child === null) return;
    try {
      child.kill("SIGTERM");
    } catch { /* it has ended */ }
    await within("Dovecot's end", child.status, 5000, () => child.kill("SIGKILL")).catch(() => {});
    await child.status;
    // Those that have clients outlive their master
    for (const { pid } of children) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch { /* it has ended */ }
    }
  }

  async log(): Promise<string> {
    return await Deno.readTextFile(this.folder.at("log")).catch(() => "");
  }

  /** Lets Dovecot read a tree that a test running as root has made. */
  async give(tree: string): Promise<void> {
    if (Deno.uid() === 0) await output("chown", "-R", "nobody", tree);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** Lines of the configuration: mail for whoever the userdb knows, each mailbox with its limit. */
function lmtpService(path: string, port: number): string {
  return `service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
  unix_listener ${path} {
    mode = 0666
  }
}
protocol lmtp {
  mail_plugins = $mail_plugins quota
  postmaster_address = postmaster@local.example
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_grace = 0
}
`;
}

async function output(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}
