/** `postern build`: where it will not write, said before anything is built. */
import { assertEquals, assertMatch } from "@std/assert";
import { run } from "../../../../cli/main.ts";
import { TempFolder } from "../../../support/temp.ts";
import { FakeTerminal } from "../fake_terminal.ts";

Deno.test("build: neither a folder nor a device is replaced by the executable", async () => {
  await using folder = await TempFolder.make();
  await Deno.mkdir(folder.at("out"));
  using listener = Deno.listen({ transport: "unix", path: folder.at("socket") });
  for (const [output, words] of [["out", /out is a folder/], ["socket", /socket is no file/]] as const) {
    const terminal = new FakeTerminal({ cwd: folder.path });
    assertEquals(await run(["build", "--how", "join", "--output", output], terminal), 1);
    assertMatch(terminal.complaints.join("\n"), words);
  }
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(), ["out", "socket"]);
  assertEquals(listener.addr.transport, "unix");
});
