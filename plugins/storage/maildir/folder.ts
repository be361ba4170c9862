/**
 * The folders of mailboxes: made on first use, each level durable before a message goes below it. Non-job: what they
 * are called (layout.ts), the files in them (copy.ts).
 */
import { dirname } from "node:path";
import { syncFolder, syncName } from "../../../core/store/durable_write.ts";

/** Mailboxes known to be there; more than that and the oldest are looked at again. */
const MAX_KNOWN = 10_000;

export class Folders {
  readonly #ready = new Map<string, Promise<void>>();
  #rootIsDurable = false;

  /** `root` is absolute; `mode` the permission bits of what is made. */
  constructor(readonly root: string, readonly mode: number) {}

  /**
   * Resolves to the absolute folder of the mailbox at `path` below the root, with tmp, new and cur durably there.
   * Concurrent callers wait for the same work: nobody may use a level that another has made but not yet synced.
   */
  async mailbox(path: string): Promise<string> {
    const folder = `${this.root}/${path}`;
    let ready = this.#ready.get(folder);
    if (ready === undefined) {
      ready = this.#make(path);
      this.#ready.set(folder, ready);
      ready.catch(() => this.forget(folder));
      if (this.#ready.size > MAX_KNOWN) this.forget(this.#ready.keys().next().value!);
    }
    await ready;
    return folder;
  }

  /** The mailbox turned out not to be there: the next message makes it again. */
  forget(folder: string): void {
    this.#ready.delete(folder);
  }

  async #make(path: string): Promise<void> {
    await this.#makeRoot(this.root);
    let folder = this.root;
    for (const name of path.split("/")) {
      const above = folder;
      folder = `${above}/${name}`;
      await this.#makeOne(folder);
      await syncFolder(above); // even if it was there: whoever made it may have died before this
    }
    for (const name of ["tmp", "new", "cur"]) await this.#makeOne(`${folder}/${name}`);
    await syncFolder(folder);
  }

  async #makeRoot(folder: string): Promise<void> {
    try {
      if (!await this.#makeOne(folder) && this.#rootIsDurable) return;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || dirname(folder) === folder) throw error;
      await this.#makeRoot(dirname(folder));
      await this.#makeOne(folder);
    }
    await syncName(folder); // even if it was there, as below
    if (folder === this.root) this.#rootIsDurable = true;
  }

  /** False when it was there. */
  async #makeOne(folder: string): Promise<boolean> {
    try {
      await Deno.mkdir(folder, { mode: this.mode });
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      throw error;
    }
    if (this.mode & 0o077) await Deno.chmod(folder, this.mode); // the umask may have taken bits away
    return true;
  }
}
