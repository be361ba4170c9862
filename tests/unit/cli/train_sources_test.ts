/** What `postern train` finds in files, mailboxes and folders. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { CommandError } from "../../../cli/terminal.ts";
import { messagesIn } from "../../../cli/train_sources.ts";
import { TempFolder } from "../../support/temp.ts";
import { FakeTerminal } from "./fake_terminal.ts";

const text = (octets: Uint8Array) => new TextDecoder().decode(octets);

async function found(path: string, terminal: FakeTerminal): Promise<[name: string, content: string][]> {
  const messages = await Array.fromAsync(messagesIn(path, terminal));
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
