import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  diskFault,
  durableFolder,
  durableWrite,
  type FileHandle,
  type Files,
} from "../../../core/store/durable_write.ts";
import { StoreError } from "../../../core/store/store.ts";

/** Deno's files, with the calls written down and the nth of them failing. */
function counted(fail: number, error: Error): { files: Files; calls: string[] } {
  const calls: string[] = [];
  const name = (path: string) => path.split("/").at(-1)!;
  const step = (call: string) => {
    calls.push(call);
    if (calls.length === fail) throw error;
  };
  const files: Files = {
    async open(path, options) {
      step(`open ${name(path)}`);
      const file = await Deno.open(path, options);
      const handle: FileHandle = {
        write(octets) {
          step("write");
          return file.write(octets.subarray(0, 3)); // a short write is no error
        },
        sync() {
          step(`sync ${name(path)}`);
          return file.sync();
        },
        close: () => file.close(),
      };
      return handle;
    },
    async rename(from, to) {
      step(`rename ${name(from)} ${name(to)}`);
      await Deno.rename(from, to);
    },
    remove: (path) => Deno.remove(path),
    async chmod(path, mode) {
      step(`chmod ${name(path)}`);
      await Deno.chmod(path, mode);
    },
  };
  return { files, calls };
}
const content = new TextEncoder().encode("seven o");
/** As a stream, so that a short write falls within a chunk. */
async function* source(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(content);
}

Deno.test("case 70: the steps of a durable write stand in this order", async () => {
  const folder = await Deno.makeTempDir();
  const { files, calls } = counted(0, new Error());
  await durableWrite(() => `${folder}/name`, source(), { temp: `${folder}/temp`, mode: 0o640, files });
  assertEquals(calls, [
    "open temp",
    "chmod temp",
    ...["write", "write", "write"],
    "sync temp",
    "rename temp name",
    `open ${folder.split("/").at(-1)}`,
    `sync ${folder.split("/").at(-1)}`,
  ]);
  assertEquals(await Deno.readFile(`${folder}/name`), content);
  assertEquals((await Deno.stat(`${folder}/name`)).mode! & 0o777, 0o640);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("case 71: each step that fails is an error, is tried once, and leaves nothing behind", async () => {
  const folder = await Deno.makeTempDir();
  for (
    const [code, fault] of [["EIO", "io"], ["ENOSPC", "full"], ["EDQUOT", "full"], ["EMFILE", "io"], [
      "EROFS",
      "io",
    ]] as const
  ) {
    for (let fail = 1; fail <= 9; fail++) {
      const { files, calls } = counted(fail, Object.assign(new Error(code), { code }));
      const error = await assertRejects(
        () => durableWrite(`${folder}/name`, source(), { temp: `${folder}/temp`, mode: 0o666, files }),
        Error,
        code,
      );
      assertEquals(diskFault(error), fault);
      assertEquals(calls.length, fail, `${calls}`);
      assertEquals([...Deno.readDirSync(folder)], [], `${calls}`);
    }
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a source that fails half way leaves nothing behind, nor does a write that is cut off", async () => {
  const folder = await Deno.makeTempDir();
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield* source();
    throw new Error("source failed");
  }
  const temp = `${folder}/temp`, aborted = AbortSignal.abort(new Error("too late"));
  await assertRejects(() => durableWrite(`${folder}/name`, failing(), { temp }), Error, "source failed");
  await assertRejects(() => durableWrite(`${folder}/name`, source(), { temp, signal: aborted }), Error, "too late");
  assertEquals([...Deno.readDirSync(folder)], []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("folders are made with those above them, once, and a file in the way is an error", async () => {
  const folder = await Deno.makeTempDir();
  await Promise.all([
    durableFolder(`${folder}/a/b/c`),
    durableFolder(`${folder}/a/b/c/`),
    durableFolder(`${folder}/a/x`),
  ]);
  assert((await Deno.stat(`${folder}/a/b/c`)).isDirectory);
  await Deno.writeTextFile(`${folder}/file`, "");
  await assertRejects(() => durableFolder(`${folder}/file`), StoreError, "is not a folder");
  await assertRejects(() => durableFolder(`${folder}/file/below`), StoreError);
  await Deno.remove(folder, { recursive: true });
});
