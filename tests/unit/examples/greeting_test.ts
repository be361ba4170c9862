import { assertEquals, assertMatch } from "@std/assert";
import greeting, { GREETING } from "../../../examples/sites/greeting.ts";
import { simulate } from "../../../core/pipeline/mod.ts";
import { inbox } from "../../../plugins/storage/inbox/mod.ts";

const plugins = [greeting({ refuse: ["Localhost.localdomain"] }), inbox({ everything: true })];

Deno.test("example greeting: our own name and listed ones are refused, others are noted", async () => {
  for (const helo of ["MX.example.org", "localhost.localdomain"]) {
    const { reply } = await simulate(plugins, { helo, from: "a@example.net", to: "b@example.org" });
    assertEquals(String(reply), `550 5.7.1 You are not ${helo}`);
  }
  const taken = await simulate(plugins, { helo: "Mail.Example.NET", from: "a@example.net", to: "b@example.org" });
  assertEquals([taken.reply.verdict, taken.get(GREETING)], ["accept", "mail.example.net"]);
  assertMatch(taken.output, /^X-Greeting: mail\.example\.net\r\n/m);
});
