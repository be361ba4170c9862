/** The example of an edge worker by the commands of its README. */
import { assertEquals, assertMatch } from "@std/assert";
import { testWith } from "../../support/debian.ts";
import { DohServer, textZone } from "../../support/doh_server.ts";
import { Example } from "../../support/example.ts";
import { freePort } from "../../support/ports.ts";

testWith(["curl"], "example edge_worker: a friendly message is forwarded, a loud one is refused", async () => {
  await using dns = new DohServer(textZone({}));
  await using example = await Example.open("edge_worker", { EDGE: `127.0.0.1:${freePort()}`, DNS: dns.url });
  await example.start("Start", { ready: "It takes mail at" });
  const [friendly, loud] = await example.run();
  assertEquals(friendly!.out, "Worker successfully processed email");
  assertMatch(loud!.out, /: 5\.7\.1 Please do not shout \(ref [0-9A-Z]{8}\)$/);
});
