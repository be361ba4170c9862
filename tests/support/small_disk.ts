/** A file system of a few megabytes that a test may fill, a folder made read-only: where this user may mount. */

export class SmallDisk implements AsyncDisposable {
  private constructor(readonly path: string) {}

  /** Mounts it at `path`, a new folder. Null, and one printed line, where that is not allowed. */
  static async mount(path: string, megabytes: number): Promise<SmallDisk | null> {
    await Deno.mkdir(path);
    const { success, stderr } = await run("mount", "-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path);
    if (success) return new SmallDisk(path);
    console.log(`skipped: cannot mount a small disk here (${stderr})`);
    return null;
  }

  /** Takes all space but `left` octets. */
  fill(left = 0): void {
    this.free();
    using file = Deno.openSync(`${this.path}/ballast`, { create: true, write: true });
    const block = new Uint8Array(64 * 1024);
    let size = 0;
    try {
      for (;;) size += file.writeSync(block);
    } catch (error) {
      if (!/os error 28/.test(String(error))) throw error; // ENOSPC: it is full now
    }
    file.truncateSync(Math.max(0, size - left));
  }

  free(): void {
    try {
      Deno.removeSync(`${this.path}/ballast`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run("umount", "-l", this.path);
  }
}

/** A folder that nobody may write to, root neither, until `lift`. */
export class ReadOnly implements AsyncDisposable {
  private constructor(readonly path: string) {}

  /** Null, and one printed line, where that is not allowed. */
  static async over(path: string): Promise<ReadOnly | null> {
    const bound = await run("mount", "--bind", path, path);
    if (bound.success && (await run("mount", "-o", "remount,bind,ro", path)).success) return new ReadOnly(path);
    if (bound.success) await run("umount", "-l", path);
    console.log(`skipped: cannot make a folder read-only here (${bound.stderr})`);
    return null;
  }

  async lift(): Promise<void> {
    await run("umount", "-l", this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lift();
  }
}

async function run(program: string, ...args: string[]): Promise<{ success: boolean; stderr: string }> {
  try {
    const { success, stderr } = await new Deno.Command(program, { args, stdout: "null", stderr: "piped" }).output();
    return { success, stderr: new TextDecoder().decode(stderr).trim() };
  } catch (error) {
    return { success: false, stderr: String(error) };
  }
}
