/** `postern ban` against a running server, and against its folder after it has stopped: the same dialogue. */
import { assertEquals, assertMatch } from "@std/assert";
import { octets } from "../support/bytes.ts";
import { type CliResult, postern } from "../support/cli.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";

type Run = (...args: string[]) => Promise<CliResult>;
const config = (port: number) => `
hostname: mx.local.example
listeners: [{ address: "127.0.0.1:0" }, { address: "127.0.0.1:${port}", proxy: ["127.0.0.1"] }]
plugins: [ban, { inbox: { everything: true } }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
`;

/** Leaves one ban behind. */
async function dialogue(run: Run): Promise<void> {
  const said = async (...args: string[]) => {
    const { code, out, err } = await run("ban", ...args);
    return [code, out, err] as const;
  };
  assertEquals(await said("list"), [0, "Nobody is banned.\n", ""]);
  const [code, row] = await said("add", "192.0.2.7", "--for", "12h", "--reason", "guesses", "--json");
  const { subject, reason, until } = JSON.parse(row);
  assertEquals([code, subject, reason], [0, "192.0.2.7", "guesses"]);
  const left = Date.parse(until) - Date.now();
  assertEquals(left > 11 * 3_600_000 && left <= 12 * 3_600_000, true);
  assertMatch((await said("add", "2001:db8:0:ff::1/56"))[1], /^2001:db8::\/56 until 20\d\d-\S+Z: by hand\n$/);
  const [, list] = await said("list");
  assertMatch(list, /^192\.0\.2\.7 until \S+: guesses\n2001:db8::\/56 until \S+: by hand\n$/);
  assertEquals(JSON.parse((await said("list", "--json", "--limit", "1"))[1]).items.length, 1);
  assertEquals(await said("remove", "2001:db8::/56"), [0, "2001:db8::/56 is served again\n", ""]);
  assertEquals(await said("remove", "2001:db8::/56"), [1, "", "postern: 2001:db8::/56 is not banned\n"]);
  assertEquals(await said("remove", "2001:db8::/56", "--json"), [1, '{"removed":0}\n', ""]);
}

Deno.test("postern ban asks the running server, else opens the data folder; the next connection is held to it", async (t) => {
  await using folder = await TempFolder.make();
  const port = freePort(), data = folder.at("data"), text = config(port);
  const file = await folder.file("postern.yaml", text);
  const greeting = async () => {
    using client = await SmtpClient.connect(port);
    await client.send(octets("PROXY TCP4 192.0.2.7 192.0.2.255 40000 25\r\n"));
    return (await client.reply()).code;
  };
  await using server = await Server.start({ data, config: text });
  const env = {
    POSTERN_DATA: data,
    POSTERN_ADMIN: `127.0.0.1:${server.ports.admin}`,
    POSTERN_ADMIN_TOKEN: server.api.token,
  };
  const run: Run = (...args) => postern([...args, "--config", file], { env });
  await t.step("a server runs", async () => {
    assertEquals(await greeting(), 220);
    await dialogue(run);
    assertEquals(await greeting(), 421);
    for (const args of [["add", "10.0.0.0/8"], ["add", "host.example"], ["add", "192.0.2.7", "--for", "x"], ["add"]]) {
      assertEquals((await run("ban", ...args)).code, 2, args.join(" "));
    }
    assertEquals((await run("ban", "list", "--limit", "1001")).code, 2);
  });
  await t.step("none runs: its bans are there", async () => {
    assertEquals((await server.stop()).code, 0);
    assertMatch((await run("ban", "list")).out, /^192\.0\.2\.7 /);
    assertEquals((await run("ban", "remove", "192.0.2.7")).code, 0);
    await dialogue(run);
  });
  await t.step("the server comes back with them", async () => {
    await using again = await Server.start({ data, config: text });
    const { items } = await again.api.json<{ items: { subject: string }[] }>("/api/v1/bans");
    assertEquals(items.map(({ subject }) => subject), ["192.0.2.7"]);
    assertEquals(await greeting(), 421);
  });
});
