/**
 * A private Dovecot that serves Maildirs over IMAP on a port of loopback, with a configuration of its own and as
 * whoever runs the test. Every password is right. Non-job: writing the Maildirs.
 */
import { programOf } from "./debian.ts";
import { freePort } from "./ports.ts";
import { TempFolder } from "./temp.ts";
import { waitFor, within } from "./wait.ts";

export class Dovecot implements AsyncDisposable {
  private constructor(
    readonly port: number,
    private readonly child: Deno.ChildProcess,
    private readonly folder: TempFolder,
  ) {}

  /**
   * @param mailLocation Dovecot's mail_location; %d and %n are domain and local part of the login name
   */
  static async start(mailLocation: string): Promise<Dovecot> {
    const folder = await TempFolder.make("postern-dovecot-"), port = freePort();
    // Dovecot does not read mail as root, so a root test hands the Maildirs to this user (`give`).
    const root = Deno.uid() === 0, user = root ? "nobody" : await output("id", "-un");
    const group = await output("id", "-gn", user);
    await Deno.chmod(folder.path, 0o755);
    const path = await folder.file(
      "dovecot.conf",
      `base_dir = ${folder.at("run")}
state_dir = ${folder.at("state")}
log_path = ${folder.at("log")}
protocols = imap
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
passdb {
  driver = static
  args = nopassword
}
userdb {
  driver = static
  args = uid=${user} gid=${group} home=${folder.at("home")}/%u
}
`,
    );
    await Deno.mkdir(folder.at("home"), { mode: 0o777 });
    await Deno.chmod(folder.at("home"), 0o777);
    const child = new Deno.Command(programOf("dovecot")!, {
      args: ["-F", "-c", path],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const dovecot = new Dovecot(port, child, folder);
    let ended = false;
    child.status.then(() => ended = true);
    try {
      await waitFor("Dovecot", async () => {
        if (ended) throw new Error("Dovecot ended at once");
        return await Deno.connect({ hostname: "127.0.0.1", port }).then((conn) => (conn.close(), true), () => false);
      });
    } catch (error) {
      const log = await dovecot.log();
      await dovecot[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}: ${log}`);
    }
    return dovecot;
  }

  async log(): Promise<string> {
    return await Deno.readTextFile(this.folder.at("log")).catch(() => "");
  }

  /** Lets Dovecot read a tree that a test running as root has made. */
  async give(tree: string): Promise<void> {
    if (Deno.uid() === 0) await output("chown", "-R", "nobody", tree);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGTERM");
    } catch { /* it has ended */ }
    await within("Dovecot's end", this.child.status, 5000, () => this.child.kill("SIGKILL")).catch(() => {});
    await this.child.status;
    await this.folder[Symbol.asyncDispose]();
  }
}

async function output(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}
