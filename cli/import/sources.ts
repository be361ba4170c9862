/**
 * The files of another program's configuration: found below a folder, and read within bounds. A folder may be a copy from
 * another machine: absolute paths then begin at a root. Non-job: what is in them.
 */
import { isAbsolute, join, relative, resolve } from "node:path";

/** Octets of one file, and of all of them; more is no configuration. */
const MOST = 16 * 1024 * 1024, MOST_IN_ALL = 64 * 1024 * 1024;

/** Why a file could not be read, in few words for a person. */
export class SourceError extends Error {
  override readonly name = "SourceError";
}

export interface SourceFile {
  /** As the person knows it. */
  readonly name: string;
  readonly text: string;
}

export class Sources {
  #total = 0;
  readonly #known = new Map<string, Promise<SourceFile>>();

  /**
   * @param folder the folder of the configuration
   * @param home where it lies on the machine that it is from, such as /etc/postfix
   * @param root what stands in place of `/` for all other absolute paths
   */
  constructor(readonly folder: string, readonly home: string, readonly root: string) {}

  /** Where a path of the configuration is found now. */
  locate(path: string): string {
    if (!isAbsolute(path)) return resolve(this.folder, path);
    const below = relative(this.home, path);
    if (below === "" || !below.startsWith("..") && !isAbsolute(below)) return join(this.folder, below);
    return this.root === "/" ? path : join(this.root, path);
  }

  /** How a file is named in comments. */
  nameOf(place: string): string {
    const below = relative(this.folder, place);
    const name = !below.startsWith("..") ? below : this.root === "/" ? place : `/${relative(this.root, place)}`;
    return name.replace(/\p{C}/gu, "?"); // it stands in comments, which a line end would end
  }

  /** @throws {SourceError} */
  read(path: string): Promise<SourceFile> {
    const place = this.locate(path);
    let known = this.#known.get(place);
    if (known === undefined) this.#known.set(place, known = this.#read(place));
    return known;
  }

  /** Null where there is no such file. @throws {SourceError} where there is one that cannot be read */
  async find(path: string): Promise<SourceFile | null> {
    return await this.exists(path) ? await this.read(path) : null;
  }

  async exists(path: string): Promise<boolean> {
    return await Deno.stat(this.locate(path)).then(() => true, () => false);
  }

  /** Names in a folder, none where it is not there. At most a thousand. */
  async list(path: string): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const { name } of Deno.readDir(this.locate(path))) if (names.push(name) >= 1000) break;
    } catch { /* no such folder */ }
    return names.sort();
  }

  async #read(place: string): Promise<SourceFile> {
    const name = this.nameOf(place);
    const fail = (why: string) => new SourceError(`${name}: ${why}`);
    try {
      const { isFile, size } = await Deno.stat(place);
      if (!isFile) throw fail("is no file"); // a pipe or a device would never end
      if (size > MOST) throw fail("has more than 16 MiB");
      if ((this.#total += size) > MOST_IN_ALL) throw fail("is one too many: all files together have more than 64 MiB");
      const octets = await Deno.readFile(place);
      if (octets.subarray(0, 8192).includes(0)) throw fail("is no text");
      return { name, text: new TextDecoder().decode(octets) };
    } catch (error) {
      if (error instanceof SourceError) throw error;
      if (error instanceof Deno.errors.NotFound) throw fail("is not there");
      throw fail("cannot be read");
    }
  }
}
