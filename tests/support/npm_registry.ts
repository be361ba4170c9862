/**
 * A registry of npm on loopback: packages of a test, as npm's own registry gives them, for Deno to fetch. Job: the document
 * of a package, its tarball. Non-job: publishing, anything that `npm install` alone would ask.
 */

/** By path in the package; `package.json` is made. */
export interface Package {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
}

export class NpmRegistry implements AsyncDisposable {
  private constructor(readonly server: Deno.HttpServer<Deno.NetAddr>, readonly requests: string[]) {}

  static async start(packages: readonly Package[]): Promise<NpmRegistry> {
    const requests: string[] = [], tarballs = new Map<string, Uint8Array<ArrayBuffer>>();
    const documents = new Map<string, (origin: string) => unknown>();
    for (const { name, version, files, ...rest } of packages) {
      const about = { name, version, type: "module", ...rest };
      const tarball = await tgz({ ...files, "package.json": JSON.stringify(about) });
      const path = `/${name}/-/${version}.tgz`;
      tarballs.set(path, tarball);
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-512", tarball));
      const integrity = `sha512-${btoa(String.fromCharCode(...digest))}`;
      documents.set(`/${name}`, (origin) => ({
        name,
        "dist-tags": { latest: version },
        versions: { [version]: { ...about, dist: { tarball: origin + path, integrity, shasum: "" } } },
      }));
    }
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const url = new URL(request.url), path = decodeURIComponent(url.pathname);
      requests.push(path);
      const tarball = tarballs.get(path), document = documents.get(path);
      if (tarball !== undefined) return new Response(tarball);
      return document === undefined ? new Response(null, { status: 404 }) : Response.json(document(url.origin));
    });
    return new NpmRegistry(server, requests);
  }

  get url(): string {
    return `http://127.0.0.1:${this.server.addr.port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.shutdown();
  }
}

/** A gzipped tar (POSIX 1003.1 ustar) whose files lie in `package/`, as npm packs them. */
async function tgz(files: Readonly<Record<string, string>>): Promise<Uint8Array<ArrayBuffer>> {
  const blocks: Uint8Array<ArrayBuffer>[] = [];
  for (const [name, text] of Object.entries(files)) {
    const data = new TextEncoder().encode(text);
    blocks.push(header(`package/${name}`, data.length), data, new Uint8Array((512 - data.length % 512) % 512));
  }
  blocks.push(new Uint8Array(1024));
  const packed = new Blob(blocks).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

function header(name: string, size: number): Uint8Array<ArrayBuffer> {
  const octets = new Uint8Array(512);
  const put = (text: string, at: number) => octets.set(new TextEncoder().encode(text), at);
  put(name, 0);
  for (
    const [at, value, width] of [[100, 0o644, 7], [108, 0, 7], [116, 0, 7], [124, size, 11], [136, 0, 11]] as const
  ) {
    put(value.toString(8).padStart(width, "0"), at);
  }
  put("        0", 148); // the sum is made with spaces in its place; a regular file
  put("ustar\0" + "00", 257);
  const sum = octets.reduce((all, each) => all + each, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return octets;
}
