import { assertEquals, assertRejects } from "@std/assert";
import { fileSystem, lockFolder } from "../../../core/store/lock.ts";
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

Deno.test("a network file system is refused, also below a local one", async () => {
  const folder = await Deno.makeTempDir(), real = await Deno.realPath(folder);
  for (const type of ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs"]) {
    const mounts = `/dev/a / ext4 rw 0 0\nserver:/x ${real} ${type} rw 0 0\n`;
    await assertRejects(() => lockFolder(folder, { mounts }), StoreError, `is on ${type}; it must be on a local disk`);
  }
  (await lockFolder(folder, { mounts: `server:/x ${real}/below nfs rw 0 0\n/dev/a / ext4 rw 0 0\n` })).release();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the file system of a path is the longest mount above it, and the last of several on one point", () => {
  const mounts = "a / ext4 rw\nb /srv xfs rw\nc /srv/my\\040data nfs rw\nd /srv btrfs rw\ne /srvx cifs rw\n";
  for (
    const [path, type] of [
      ["/", "ext4"],
      ["/home", "ext4"],
      ["/srv", "btrfs"],
      ["/srv/data", "btrfs"],
      ["/srv/my data", "nfs"],
      ["/srv/my data/x", "nfs"],
      ["/srv/my datax", "btrfs"],
      ["/srvx", "cifs"],
    ] as const
  ) assertEquals(fileSystem(path, mounts), type, path);
  assertEquals(fileSystem("/x", ""), "");
});
