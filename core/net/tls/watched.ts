/**
 * Something read from files that are replaced while the server runs. A bad replacement leaves the old value in force.
 * Files are looked at by name, so that a rename over them, a switched symlink (certbot's live/) and a switched folder
 * (a mounted Kubernetes secret) are all seen; a watch on inodes misses the last two.
 * Non-job: what stands in the files, when to look (certificates.ts).
 */

/** What a look found: nothing new, a new value, or why the old one stays. */
export type Look = null | { readonly replaced: true } | { readonly fault: string };

/** Files that were refused are tried again after so long without a change: they may have become valid. */
const RETRY_MS = 3_600_000;

export class Watched<T> {
  readonly paths: readonly string[];
  readonly #read: (now: number) => Promise<T>;
  #value: T;
  #used: string;
  /** Seen once and not loaded yet: whoever writes two files gets the time between two looks to finish. */
  #changed = "";
  #refused = "";
  #fault = "";
  #retryAt = 0;

  private constructor(paths: readonly string[], read: (now: number) => Promise<T>, value: T, used: string) {
    this.paths = paths;
    this.#read = read;
    this.#value = value;
    this.#used = used;
  }

  /** @throws what `first` throws. `again` reads a replacement, and throws when the old value is better. */
  static async open<T>(
    paths: readonly string[],
    first: (now: number) => Promise<T>,
    options: { readonly now: number; readonly again?: (now: number) => Promise<T> },
  ): Promise<Watched<T>> {
    const { now, again = first } = options;
    const used = await signature(paths); // before reading: what is written meanwhile counts as a change
    return new Watched(paths, again, await first(now), used);
  }

  get value(): T {
    return this.#value;
  }

  /** Loads what has changed, once it has held still between two looks. The same fault is told once. */
  async look(now: number): Promise<Look> {
    const seen = await signature(this.paths);
    if (seen === this.#used) {
      this.#changed = this.#refused = this.#fault = "";
      return null;
    }
    if (seen === this.#refused && now < this.#retryAt) return null;
    if (seen !== this.#changed) {
      this.#changed = seen;
      return null;
    }
    const before = this.#fault;
    const result = await this.#load(seen, now);
    return result !== null && "fault" in result && result.fault === before ? null : result;
  }

  /** Loads the files now, whether they have changed or not. */
  async reload(now: number): Promise<Look> {
    return await this.#load(await signature(this.paths), now);
  }

  async #load(seen: string, now: number): Promise<Look> {
    try {
      const value = await this.#read(now);
      this.#value = value;
      this.#used = seen; // if they changed under our hands, the next look sees it
      this.#fault = this.#refused = "";
      return { replaced: true };
    } catch (error) {
      this.#refused = seen;
      this.#retryAt = now + RETRY_MS;
      this.#fault = error instanceof Error ? error.message : String(error);
      return { fault: this.#fault };
    }
  }
}

/** Differs when a file is another one or was written to. */
async function signature(paths: readonly string[]): Promise<string> {
  const each = await Promise.all(paths.map(async (path) => {
    try {
      const { dev, ino, size, mtime, ctime } = await Deno.stat(path);
      return `${dev}:${ino}:${size}:${mtime?.getTime()}:${ctime?.getTime()}`;
    } catch (error) {
      return error instanceof Error ? error.name : "none";
    }
  }));
  return each.join(" ");
}
