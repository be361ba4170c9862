/** Files of the maildrop: written whole, read with distrust. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Drop, DropError, isDropName, leaveDrop, makeMaildrop, readDrop } from "../../../core/maildrop/drop.ts";
import { octets } from "../../support/bytes.ts";
import { TempFolder } from "../../support/temp.ts";

const DROP: Drop = {
  from: "me@example.org",
  to: ["a@example.net", "ü@example.net"],
  notify: ["NEVER"],
  ret: "HDRS",
  envid: "x",
  at: 1_700_000_000_000,
  content: octets("Subject: x\r\n\r\n\n\0\xff.\r\n"),
};
const MOST = { most: 1000 };

async function maildrop(): Promise<TempFolder> {
  const folder = await TempFolder.make();
  await makeMaildrop(folder.at("maildrop"));
  return folder;
}
const names = (folder: string) =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).filter((each) => each !== "bad");

Deno.test("what is left there is read back, octet for octet", async () => {
  await using folder = await maildrop();
  const name = await leaveDrop(folder.at("maildrop"), DROP);
  assert(isDropName(name), name);
  assertEquals(names(folder.at("maildrop")), [name]);
  assertEquals(await readDrop(folder.at(`maildrop/${name}`), MOST), DROP);
});

Deno.test("everybody may put a file into the folder, and nobody may look around in it", async () => {
  await using folder = await maildrop();
  const info = await Deno.stat(folder.at("maildrop"));
  assertEquals(info.mode! & 0o7777, 0o1733);
  assertEquals((await Deno.stat(folder.at("maildrop/bad"))).mode! & 0o777, 0o700);
  const name = await leaveDrop(folder.at("maildrop"), DROP);
  assertEquals((await Deno.stat(folder.at(`maildrop/${name}`))).mode! & 0o777, 0o600);
});

Deno.test("a folder that is not there takes nothing, and says who makes it", async () => {
  const error = await assertRejects(() => leaveDrop("/none/at/all", DROP), DropError);
  assert(/the server makes it/.test(error.message), error.message);
});

Deno.test("names sort by time and cannot be guessed", async () => {
  await using folder = await maildrop();
  const [first, second] = [
    await leaveDrop(folder.at("maildrop"), DROP),
    await leaveDrop(folder.at("maildrop"), { ...DROP, at: DROP.at + 1 }),
  ];
  assert(first < second);
  assertEquals(new Set([first.slice(-24), second.slice(-24)]).size, 2);
});

Deno.test("what is no message of ours is none", async (t) => {
  await using folder = await maildrop();
  const place = folder.at("maildrop"), good = await leaveDrop(place, DROP);
  const whole = await Deno.readFile(`${place}/${good}`);
  const bad = async (name: string, make: (path: string) => Promise<void>, why: RegExp, most = 1000) => {
    await t.step(name, async () => {
      const path = `${place}/x`;
      await make(path);
      const error = await assertRejects(() => readDrop(path, { most }), DropError);
      assert(why.test(error.message), error.message);
      await Deno.remove(path, { recursive: true });
    });
  };
  await bad("empty", (path) => Deno.writeTextFile(path, ""), /does not begin/);
  await bad("of another kind", (path) => Deno.writeTextFile(path, "root:x:0:0\nsecret\n"), /does not begin/);
  await bad("no JSON", (path) => Deno.writeTextFile(path, "postern drop 1\n{\nx"), /cannot be read/);
  await bad("no recipients", (path) => Deno.writeTextFile(path, 'postern drop 1\n{"to":[]}\nx'), /envelope is wrong/);
  await bad("cut off", (path) => Deno.writeFile(path, whole.subarray(0, -1)), /of a message of/);
  await bad("longer", (path) => Deno.writeFile(path, new Uint8Array([...whole, 1])), /of a message of/);
  await bad("too large", (path) => Deno.writeFile(path, whole), /may have 3/, 3);
  await bad("a link", (path) => Deno.symlink(`${place}/${good}`, path), /cannot be read/);
  await bad("with another name", (path) => Deno.link(`${place}/${good}`, path), /another name/);
  await bad("a folder", (path) => Deno.mkdir(path), /no file|cannot be read/);
  await t.step("a pipe that nobody writes to", async () => {
    const { success } = await new Deno.Command("mkfifo", { args: [`${place}/x`] }).output();
    assert(success);
    await assertRejects(() => readDrop(`${place}/x`, MOST), DropError);
  });
});
