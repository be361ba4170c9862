/** A file system of a few megabytes that a test may fill, a folder made read-only: where this user may mount. */
import { testUnless } from "./debian.ts";

/** A test that mounts something. */
export function testWithMounts(name: string, body: (t: Deno.TestContext) => Promise<void>): void {
  testUnless(mayMount() ? null : "the right to mount: run as root, in a container with CAP_SYS_ADMIN", name, body);
}

let asked: boolean | undefined;
/** Asks the system once. */
function mayMount(): boolean {
  return asked ??= (() => {
    const place = Deno.makeTempDirSync({ prefix: "postern-mount-" });
    try {
      const mount = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", place];
      if (!new Deno.Command("mount", { args: mount, stdout: "null", stderr: "null" }).outputSync().success) {
        return false;
      }
      return new Deno.Command("umount", { args: ["-l", place] }).outputSync().success;
    } catch {
      return false; // there is no such program
    } finally {
      Deno.removeSync(place);
    }
  })();
}

export class SmallDisk implements AsyncDisposable {
  private constructor(readonly path: string) {}

  /** Mounts it at `path`, a new folder. */
  static async mount(path: string, size: string): Promise<SmallDisk> {
    await Deno.mkdir(path);
    await run("mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path);
    return new SmallDisk(path);
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
  #lifted = false;
  private constructor(readonly path: string) {}

  static async over(path: string): Promise<ReadOnly> {
    await run("mount", "--bind", path, path);
    const lid = new ReadOnly(path);
    await run("mount", "-o", "remount,bind,ro", path);
    return lid;
  }

  async lift(): Promise<void> {
    this.#lifted = true;
    await run("umount", "-l", this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#lifted) await this.lift();
  }
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, stdout: "null", stderr: "piped" }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}
