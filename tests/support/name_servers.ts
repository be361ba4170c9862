/**
 * Real name servers on ports of loopback: NSD with the zones of a test, signed if it wants, and Unbound before it, which
 * checks the signatures with the test's own anchors. Job: both, in a scratch folder. Non-job: who asks them.
 */
import { programOf } from "./debian.ts";
import { freePort } from "./ports.ts";
import { TempFolder } from "./temp.ts";
import type { Pair } from "./tls.ts";
import { waitFor, within } from "./wait.ts";

export interface TestZone {
  /** Without SOA and NS, relative to the zone, TTL 300 unless said. */
  readonly records: string;
  readonly signed?: boolean;
  /** Changes the file after it has been signed: what comes out is bogus. */
  readonly tamper?: (file: string) => string;
}
/** Zones by their names, each a zone of its own for Unbound too. */
export type TestZones = Readonly<Record<string, TestZone>>;

/** The programs that `testWith` must find. */
export const NAME_SERVERS = ["nsd", "unbound", "ldns-signzone"] as const;

const KEY = "ECDSAP256SHA256";

export class NameServers implements AsyncDisposable {
  readonly #children: { readonly name: string; readonly process: Deno.ChildProcess }[] = [];

  private constructor(
    private readonly folder: TempFolder,
    /** NSD: authoritative. */
    readonly authoritative: number,
    /** Unbound: validating. */
    readonly port: number,
  ) {}

  /** Unbound over HTTPS (RFC 8484); 0 without a certificate. */
  https = 0;

  /** With a certificate Unbound answers over HTTPS too. */
  static async start(zones: TestZones, pair?: Pick<Pair, "certFile" | "keyFile">): Promise<NameServers> {
    const folder = await TempFolder.make("postern-dns-"), authoritative = freePort();
    let port = freePort();
    while (port === authoritative) port = freePort();
    const servers = new NameServers(folder, authoritative, port);
    try {
      if (pair !== undefined) servers.https = freePort();
      await servers.#begin(zones, pair);
      return servers;
    } catch (error) {
      const log = await servers.log();
      await servers[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}: ${log}`);
    }
  }

  async #begin(zones: TestZones, pair?: Pick<Pair, "certFile" | "keyFile">): Promise<void> {
    const { folder, authoritative, port } = this;
    await Deno.chmod(folder.path, 0o777); // for who they become when root starts them
    const user = Deno.uid() === 0 ? "nobody" : "";
    const anchors: string[] = [];
    for (const [name, zone] of Object.entries(zones)) anchors.push(await this.#zone(name, zone));
    await folder.file("anchors", anchors.join(""));
    await folder.file(
      "nsd.conf",
      `server:
  ip-address: 127.0.0.1@${authoritative}
  username: "${user}"
  zonesdir: "${folder.path}"
  database: ""
  pidfile: "${folder.at("nsd.pid")}"
  xfrdfile: "${folder.at("xfrd")}"
  zonelistfile: "${folder.at("zones")}"
  xfrdir: "${folder.path}"
  logfile: "${folder.at("nsd.log")}"
  server-count: 1
remote-control:
  control-enable: no
${Object.keys(zones).map((name) => `zone:\n  name: ${name}\n  zonefile: ${name}.zone\n`).join("")}`,
    );
    await folder.file(
      "unbound.conf",
      `server:
  interface: 127.0.0.1@${port}
  username: "${user}"
  chroot: ""
  directory: "${folder.path}"
  pidfile: "${folder.at("unbound.pid")}"
  logfile: "${folder.at("unbound.log")}"
  use-syslog: no
  num-threads: 1
  do-not-query-localhost: no
  trust-anchor-file: "${folder.at("anchors")}"
${
        pair === undefined ? "" : `  interface: 127.0.0.1@${this.https}
  https-port: ${this.https}
  tls-service-key: "${pair.keyFile}"
  tls-service-pem: "${pair.certFile}"
`
      }${Object.keys(zones).map((name) => `  local-zone: "${name}." nodefault\n`).join("")}${
        Object.keys(zones).map((name) => `stub-zone:\n  name: ${name}\n  stub-addr: 127.0.0.1@${authoritative}\n`).join(
          "",
        )
      }`,
    );
    this.#spawn("nsd", ["-d", "-c", folder.at("nsd.conf")]);
    await this.#listening("nsd", authoritative);
    this.#spawn("unbound", ["-d", "-c", folder.at("unbound.conf")]);
    await this.#listening("unbound", port);
  }

  /** Writes the zone's file; returns its trust anchor, empty for a zone without signatures. */
  async #zone(name: string, { records, signed = false, tamper }: TestZone): Promise<string> {
    const file = `${name}.zone`, plain = signed ? `${name}.plain` : file;
    const soa = `@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\n`;
    await this.folder.file(plain, `$ORIGIN ${name}.\n$TTL 300\n${soa}ns A 127.0.0.1\n${records}\n`);
    if (!signed) return "";
    const key = (await this.#run("ldns-keygen", "-a", KEY, "-k", name)).trim();
    await this.#run("ldns-signzone", "-f", file, plain, key);
    if (tamper) {
      const before = await Deno.readTextFile(this.folder.at(file)), after = tamper(before);
      if (after === before) throw new Error(`nothing in ${name} was tampered with`);
      await this.folder.file(file, after);
    }
    return await Deno.readTextFile(this.folder.at(`${key}.ds`));
  }

  async #run(program: string, ...args: string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd: this.folder.path }).output();
    if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  }

  #spawn(name: "nsd" | "unbound", args: string[]): void {
    const process = new Deno.Command(programOf(name)!, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
    this.#children.push({ name, process });
  }

  async #listening(name: string, port: number): Promise<void> {
    let ended = false;
    this.#children.find((each) => each.name === name)!.process.status.then(() => ended = true);
    await waitFor(name, async () => {
      if (ended) throw new Error(`${name} ended at once`);
      const connecting = Deno.connect({ hostname: "127.0.0.1", port });
      return await connecting.then((conn) => (conn.close(), true), () => false);
    });
  }

  async log(): Promise<string> {
    const texts = ["nsd.log", "unbound.log"].map((name) => Deno.readTextFile(this.folder.at(name)).catch(() => ""));
    return (await Promise.all(texts)).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { name, process } of this.#children.reverse()) {
      try {
        process.kill("SIGTERM"); // NSD ends its own children
      } catch { /* it has ended */ }
      await within(`the end of ${name}`, process.status, 5000, () => process.kill("SIGKILL")).catch(() => {});
      await process.status;
    }
    await this.folder[Symbol.asyncDispose]();
  }
}
