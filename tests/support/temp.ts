/**
 * Folders that live as long as a test. Job: make them on a real disk, remove them at the end. Non-job: what is in them.
 */

/** A folder that `await using` removes at the end of the scope, whatever is in it. */
export class TempFolder implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async make(prefix = "postern-test-"): Promise<TempFolder> {
    return new TempFolder(await Deno.makeTempDir({ prefix }));
  }

  /** The path of `name` inside. */
  at(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Writes a file inside and returns its path. */
  async file(name: string, text: string): Promise<string> {
    const path = this.at(name);
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(path, text);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true }).catch(() => {});
  }
}
