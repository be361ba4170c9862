/** What `postern train` finds in files, mailboxes and folders. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { CommandError } from "../../../../cli/terminal.ts";
import { messagesIn } from "../../../../cli/train/sources.ts";
import { TempFolder } from "../../../support/temp.ts";
import { FakeTerminal } from "../fake_terminal.ts";

const text = (octets: Uint8Array) => new TextDecoder().decode(octets);

async function found(
  path: string,
  terminal: FakeTerminal,
  faults: string[] = [],
): Promise<[name: string, content: string][]> {
  const passed = ({ message }: CommandError) => void faults.push(message);
  const messages = await Array.fromAsync(messagesIn(path, terminal, { passed }));
  return messages.map(({ name, content }) => [name, text(content)]);
}

Deno.test("train: a message, an mbox, a Maildir, a folder, standard input", async () => {
  await using folder = await TempFolder.make();
  const terminal = new FakeTerminal({ cwd: folder.path });
  await folder.file("one.eml", "Subject: 1\n\nhi\n");
  await folder.file("crlf.eml", "Subject: 1\r\n\r\nhi\r\n");
  await folder.file("empty.eml", "");
  await folder.file(
    "box",
    "From a Thu Jan  1 00:00:00 2026\nSubject: 1\n\nFrom here on\nhi\n\nFrom b Thu Jan  1 00:00:00 2026\nSubject: 2\n\nho\n\nFrom c Thu Jan  1 00:00:00 2026\n",
  );
  for (const name of ["cur", "new", "tmp"]) await Deno.mkdir(folder.at(`dir/${name}`), { recursive: true });
  await folder.file("dir/cur/1.a:2,S", "Subject: 1\n\ncur\n");
  await folder.file("dir/new/2.a", "Subject: 2\n\nnew\n");
  await folder.file("dir/tmp/3.a", "Subject: 3\n\nnot whole\n");
  await folder.file("dir/.hidden", "Subject: 4\n\nno\n");

  assertEquals(await found("one.eml", terminal), [["one.eml", "Subject: 1\r\n\r\nhi\r\n"]]);
  assertEquals(await found("crlf.eml", terminal), [["crlf.eml", "Subject: 1\r\n\r\nhi\r\n"]]);
  assertEquals(await found("empty.eml", terminal), []);
  assertEquals(
    await found("box", terminal),
    [
      ["box, message 1", "Subject: 1\r\n\r\nFrom here on\r\nhi\r\n\r\n"],
      ["box, message 2", "Subject: 2\r\n\r\nho\r\n\r\n"],
    ].map(([name, content]) => [name!, content!]),
  );
  assertEquals((await found("dir", terminal)).map(([name]) => name), ["dir/cur/1.a:2,S", "dir/new/2.a"]);
  assertEquals((await found(".", terminal)).map(([name]) => name), [
    "box, message 1",
    "box, message 2",
    "crlf.eml",
    "dir/cur/1.a:2,S",
    "dir/new/2.a",
    "one.eml",
  ]);
  await assertRejects(() => found("nowhere", terminal), CommandError);
  const long = await folder.file("long.eml", `Subject: 1\n\n${"line\n".repeat(500_000)}`);
  assertMatch((await found(long, terminal))[0]![1].slice(-12), /line\r\n/);
});

Deno.test("train: what cannot be read in a folder is told, and the others are read", async () => {
  await using folder = await TempFolder.make();
  const terminal = new FakeTerminal({ cwd: folder.path }), faults: string[] = [];
  await folder.file("1.eml", "Subject: 1\n\nhi\n");
  await folder.file("3.eml", "Subject: 3\n\nhi\n");
  await Deno.symlink("renamed meanwhile", folder.at("2.eml"));
  await Deno.symlink("/dev/null", folder.at("2.fifo"));
  assertEquals((await found(".", terminal, faults)).map(([name]) => name), ["1.eml", "3.eml"]);
  assertMatch(faults.join("\n"), /^2\.eml: .+\n2\.fifo: neither a file nor a folder$/);
  await assertRejects(() => found("2.eml", terminal), CommandError);
});
