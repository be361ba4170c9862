/**
 * A name server where programs look for one that cannot be told of a port: NSD on port 53 of a loopback address of its own.
 * Root only. Non-job: DNSSEC, and everything else that NameServers has.
 */
import { programOf } from "./debian.ts";
import { Daemon } from "./daemon.ts";
import { TempFolder } from "./temp.ts";

export class NameServer53 implements AsyncDisposable {
  private constructor(readonly address: string, readonly folder: TempFolder, readonly daemon: Daemon) {}

  /** `zones`: records without SOA and NS, relative to the zone, by its name. */
  static async start(zones: Readonly<Record<string, string>>): Promise<NameServer53> {
    const folder = await TempFolder.make("postern-dns53-");
    try {
      await Deno.chmod(folder.path, 0o777);
      for (const [name, records] of Object.entries(zones)) {
        const soa = "@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n";
        await folder.file(`${name}.zone`, `$ORIGIN ${name}.\n$TTL 300\n${soa}${records}\n`);
      }
      for (let tries = 1;; tries++) {
        // One of 16 million: two tests at once do not meet, and if they do the next address is tried
        const address = `127.${[0, 0, 0].map(() => 1 + Math.floor(Math.random() * 254)).join(".")}`;
        const conf = await folder.file(
          "nsd.conf",
          `server:
  ip-address: ${address}@53
  username: "nobody"
  zonesdir: "${folder.path}"
  database: ""
  pidfile: "${folder.at("nsd.pid")}"
  xfrdfile: "${folder.at("xfrd")}"
  zonelistfile: "${folder.at("zones")}"
  xfrdir: "${folder.path}"
  server-count: 1
remote-control:
  control-enable: no
${Object.keys(zones).map((name) => `zone:\n  name: ${name}\n  zonefile: ${name}.zone\n`).join("")}`,
        );
        try {
          const daemon = await Daemon.start("nsd", [programOf("nsd")!, "-d", "-c", conf], [53], address);
          return new NameServer53(address, folder, daemon);
        } catch (error) {
          if (tries === 3) throw error;
        }
      }
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}
