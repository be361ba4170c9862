import { assertEquals, assertRejects } from "@std/assert";
import { lockFolder } from "../../../core/store/lock.ts";
import { StoreError } from "../../../core/store/store.ts";

Deno.test("case 75: a lock is exclusive, names its process, and ends with a release", async () => {
  const folder = await Deno.makeTempDir();
  const lock = await lockFolder(folder);
  assertEquals(await Deno.readTextFile(`${folder}/lock`), `${Deno.pid}\n`);
  await assertRejects(() => lockFolder(folder), StoreError, `in use by process ${Deno.pid}; stop it first`);
  lock.release();
  (await lockFolder(folder)).release();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a lock file that a dead process left is no lock, whatever stands in it", async () => {
  const folder = await Deno.makeTempDir();
  for (const left of ["", "1\n", "99999999", "garbage\0\n\nmore"]) {
    await Deno.writeTextFile(`${folder}/lock`, left);
    const lock = await lockFolder(folder);
    assertEquals(await Deno.readTextFile(`${folder}/lock`), `${Deno.pid}\n`);
    lock.release();
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a network file system is refused", async () => {
  const folder = await Deno.makeTempDir();
  for (const [fileSystem, type] of [[0x6969, "nfs"], [0xff534d42, "cifs"], [0xfe534d42, "smb2"]] as const) {
    await assertRejects(
      () => lockFolder(folder, { fileSystem }),
      StoreError,
      `is on ${type}; it must be on a local disk`,
    );
  }
  assertEquals([...Deno.readDirSync(folder)], []); // and nothing was made there
  (await lockFolder(folder, { fileSystem: 0xef53 })).release(); // ext4
  await Deno.remove(folder, { recursive: true });
});
