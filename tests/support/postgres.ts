/**
 * A PostgreSQL server of a test's own: a cluster in a temporary folder, on a port and a socket that nobody else has, with
 * fsync on. It can be frozen, killed and started again, and is ended by its process id. As root it runs as `nobody`, since
 * PostgreSQL refuses to be root. Non-job: what is in the databases.
 */
import postgres from "postgres";
import { Daemon } from "./daemon.ts";
import { testUnless } from "./debian.ts";
import { freePort } from "./ports.ts";
import { TempFolder } from "./temp.ts";
import { waitFor } from "./wait.ts";

/** Debian keeps the programs out of PATH, by version. */
const VERSIONS = "/usr/lib/postgresql";
const NOBODY = 65534;
/** Of the account `postern`, the owner of every database here. */
const PASSWORD = "s3cret-of-the-database";

function programs(): string | null {
  try {
    const versions = [...Deno.readDirSync(VERSIONS)].map(({ name }) => Number(name)).filter((n) => n > 0);
    const folder = `${VERSIONS}/${Math.max(...versions)}/bin`;
    return Deno.statSync(`${folder}/postgres`).isFile ? folder : null;
  } catch {
    return null;
  }
}

/** What a test with a server lacks, or null: for `testUnless`. */
export function whatPostgresLacks(): string | null {
  return programs() === null ? "postgres: apt-get install postgresql" : null;
}

/** A test that needs a PostgreSQL server. */
export function testWithPostgres(name: string, body: (t: Deno.TestContext) => Promise<void>): void {
  testUnless(whatPostgresLacks(), name, body);
}

export interface PostgresServerOptions {
  /** Settings beside those that every server here has: `{ max_connections: "20" }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: TempFolder;
  readonly #settings: Readonly<Record<string, string>>;
  #daemon: Daemon | null = null;
  #made = 0;

  private constructor(folder: TempFolder, port: number, settings: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.port = port;
    this.#settings = settings;
  }

  static async start({ settings = {} }: PostgresServerOptions = {}): Promise<PostgresServer> {
    const folder = await TempFolder.make("postern-pg-");
    const server = new PostgresServer(folder, freePort(), settings);
    try {
      const secret = await folder.file("password", `${PASSWORD}\n`);
      if (Deno.uid() === 0) {
        await Deno.chown(folder.path, NOBODY, NOBODY);
        await Deno.chown(secret, NOBODY, NOBODY);
      }
      const { success, stderr } = await new Deno.Command("env", {
        args: [
          ...server.#as("initdb"),
          ...["-D", folder.at("data"), "-U", "postern", `--pwfile=${secret}`, "--no-sync", "-E", "UTF8", "--locale=C"],
          ...["--auth-local=trust", "--auth-host=scram-sha-256"],
        ],
        cwd: folder.path,
        stdout: "null",
        stderr: "piped",
      }).output();
      if (!success) throw new Error(`initdb: ${new TextDecoder().decode(stderr)}`);
      await server.resume();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * A new database; its URL, with the password in it. Empty, or a copy of another one that nobody is connected to: with
   * tables that are there already a test saves the time to make them.
   */
  async database({ like = "template0" }: { readonly like?: string } = {}): Promise<string> {
    const name = `test${this.#made++}`;
    const template = like.slice(like.lastIndexOf("/") + 1);
    await this.#admin((sql) => sql.unsafe(`create database ${name} template ${template}`));
    return this.urlOf(name);
  }

  urlOf(database: string, { port = this.port }: { readonly port?: number } = {}): string {
    return `postgres://postern:${PASSWORD}@127.0.0.1:${port}/${database}`;
  }

  /** By the unix socket, where no password is asked for. */
  socketUrlOf(database: string): string {
    return `postgres://postern@/${database}?host=${encodeURIComponent(this.#folder.path)}&port=${this.port}`;
  }

  /** Password of the account, which no log may show. */
  get password(): string {
    return PASSWORD;
  }

  /** What the server printed since it was started. */
  get output(): string {
    return this.#daemon?.output ?? "";
  }

  /** Id of the server's first process. */
  get pid(): number {
    return this.#daemon!.pid;
  }

  /** Starts it, again where it was killed or stopped: resolves when it takes connections. */
  async resume(): Promise<void> {
    const settings = {
      ...{ port: String(this.port), listen_addresses: "127.0.0.1", unix_socket_directories: this.#folder.path },
      ...{ fsync: "on", synchronous_commit: "on", shared_buffers: "32MB", max_connections: "100" },
      ...{ max_wal_size: "256MB", jit: "off", log_min_messages: "warning", ...this.#settings },
    };
    const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    this.#daemon = await Daemon.start(
      "postgres",
      ["env", "-C", this.#folder.path, ...this.#as("postgres"), "-D", this.#folder.at("data"), ...args],
      [this.port],
    );
    await waitFor("the database", () => this.#admin((sql) => sql`select 1`).then(() => true, () => false), {
      deadline: 30_000,
    });
  }

  /**
   * Another server with the same databases, which follows this one from now on: what this one commits the other one has.
   * It takes no writes until `promote`.
   */
  async standby(): Promise<PostgresServer> {
    const folder = await TempFolder.make("postern-pg-"), other = new PostgresServer(folder, freePort(), this.#settings);
    try {
      if (Deno.uid() === 0) await Deno.chown(folder.path, NOBODY, NOBODY);
      const { success, stderr } = await new Deno.Command("env", {
        args: [
          ...this.#as("pg_basebackup"),
          ...["-d", this.urlOf("postgres"), "-D", folder.at("data"), "-R", "-X", "stream", "-c", "fast", "--no-sync"],
        ],
        cwd: folder.path,
        stdout: "null",
        stderr: "piped",
      }).output();
      if (!success) throw new Error(`pg_basebackup: ${new TextDecoder().decode(stderr)}`);
      await other.resume();
      await this.#admin((sql) => sql.unsafe("alter system set synchronous_standby_names = '*'"));
      await this.#admin((sql) => sql`select pg_reload_conf()`);
      await waitFor("a standby in step", () =>
        this.#admin(async (sql) => {
          const rows = await sql`select 1 from pg_stat_replication where sync_state = 'sync'`;
          return rows.length > 0;
        }), { deadline: 30_000 });
      return other;
    } catch (error) {
      await other[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What a question to one of its databases gives. */
  async rows(database: string, question: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const sql = postgres(this.urlOf(database), { max: 1, connect_timeout: 5, onnotice: () => {} });
    try {
      return await sql.unsafe(question);
    } finally {
      await sql.end({ timeout: 5 });
    }
  }

  /** A standby becomes a server that takes writes. */
  async promote(): Promise<void> {
    await this.#admin((sql) => sql`select pg_promote(true, 60)`);
  }

  /** A signal to the server and all of its processes: SIGSTOP freezes it, SIGCONT lets it go on. */
  signal(name: Deno.Signal): void {
    const first = this.pid;
    const all = [first, ...childrenOf(first)];
    for (const pid of name === "SIGCONT" ? all.reverse() : all) {
      try {
        Deno.kill(pid, name);
      } catch { /* it has just ended */ }
    }
  }

  /** Every process of it dies at once, as in a crash. `resume` recovers. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#ended();
  }

  /** As `pg_ctl stop -m immediate` does: no checkpoint, connections are cut. */
  async stopImmediately(): Promise<void> {
    Deno.kill(this.pid, "SIGQUIT");
    await this.#ended();
  }

  async #ended(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = null;
    await daemon?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#daemon !== null) {
      this.signal("SIGCONT");
      try {
        Deno.kill(this.pid, "SIGQUIT"); // nobody needs the data any more
      } catch { /* it has ended by itself */ }
      await this.#ended();
    }
    await this.#folder[Symbol.asyncDispose]();
  }

  /** The command that becomes the program, under an account that PostgreSQL runs under. */
  #as(program: string): string[] {
    const path = `${programs()}/${program}`;
    return Deno.uid() === 0 ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", path] : [path];
  }

  async #admin<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    const sql = postgres(this.urlOf("postgres"), { max: 1, connect_timeout: 5, onnotice: () => {} });
    try {
      return await work(sql);
    } finally {
      await sql.end({ timeout: 5 });
    }
  }
}

/** Ids of the processes that this one has started. */
function childrenOf(parent: number): number[] {
  const found: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent) found.push(Number(name));
    } catch { /* it has just ended */ }
  }
  return found;
}
