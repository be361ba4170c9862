/** `postern suppress` against a running server, and against its folder after it has stopped: the same dialogue. */
import { assertEquals, assertMatch } from "@std/assert";
import { type CliResult, postern } from "../support/cli.ts";
import { RELAY_CONFIG } from "../support/configs.ts";
import { Server } from "../support/server.ts";
import { TempFolder } from "../support/temp.ts";

type Run = (...args: string[]) => Promise<CliResult>;

/** Leaves one entry behind. */
async function dialogue(run: Run): Promise<void> {
  const said = async (...args: string[]) => {
    const { code, out, err } = await run("suppress", ...args);
    return [code, out, err] as const;
  };
  assertEquals(await said("list"), [0, "Nobody is on the list.\n", ""]);
  assertEquals(await said("add", "Bob@EXAMPLE.org"), [0, "<Bob@example.org> without an end: added by hand\n", ""]);
  const [code, row] = await said("add", "ann@example.org", "--days", "30", "--reason", "550 no such user", "--json");
  assertEquals(code, 0);
  const { address, reason, since, until } = JSON.parse(row);
  assertEquals([address, reason], ["ann@example.org", "550 no such user"]);
  assertEquals(Date.parse(until) - Date.parse(since), 30 * 86_400_000);
  const [, list] = await said("list");
  assertMatch(list, /^<ann@example\.org> until \d{4}-\S+Z: 550 no such user\n<Bob@example\.org> without an end: .*\n$/);
  assertEquals(JSON.parse((await said("list", "--json", "--prefix", "B"))[1]).items.length, 1);
  assertEquals(JSON.parse((await said("list", "--json", "--limit", "1"))[1]).items[0].address, "ann@example.org");
  assertEquals(await said("remove", "ANN@example.org"), [0, "ANN@example.org is off the list\n", ""]);
  assertEquals(await said("remove", "ann@example.org"), [1, "", "postern: ann@example.org is not on the list\n"]);
  assertEquals(await said("remove", "ann@example.org", "--json"), [1, '{"removed":0}\n', ""]);
  for (const args of [["add", "bob"], ["remove", "postmaster"], ["add", "a@b.example", "--days", "0"], ["add"]]) {
    assertEquals((await said(...args))[0], 2, args.join(" "));
  }
  assertEquals((await said("list", "--limit", "1001"))[0], 2);
}

Deno.test("postern suppress asks the running server, else opens the data folder", async (t) => {
  await using folder = await TempFolder.make();
  const data = folder.at("data"), config = await folder.file("postern.yaml", RELAY_CONFIG);
  await using server = await Server.start({ data, config: RELAY_CONFIG });
  const env = {
    POSTERN_DATA: data,
    POSTERN_ADMIN: `127.0.0.1:${server.ports.admin}`,
    POSTERN_ADMIN_TOKEN: server.api.token,
  };
  const run: Run = (...args) => postern([...args, "--config", config], { env });
  await t.step("a server runs", () => dialogue(run));
  await t.step("none runs: its list is there", async () => {
    assertEquals((await server.stop()).code, 0);
    assertMatch((await run("suppress", "list")).out, /^<Bob@example\.org>/);
    assertEquals((await run("suppress", "remove", "bob@example.org")).code, 0);
    await dialogue(run);
  });
  await t.step("the server comes back with it", async () => {
    await using again = await Server.start({ data, config: RELAY_CONFIG });
    const { items } = await again.api.json<{ items: { address: string }[] }>("/api/v1/suppressions");
    assertEquals(items.map(({ address }) => address), ["Bob@example.org"]);
  });
});
