/** What programs of this machine learn of a configuration, also where they may not read what plugins need. */
import { assertEquals, assertRejects } from "@std/assert";
import { localSite, LocalSiteError, originOf } from "../../../core/config/local_site.ts";
import { TempFolder } from "../../support/temp.ts";

async function site(text: string, env: Record<string, string> = {}) {
  await using folder = await TempFolder.make();
  const file = await folder.file("postern.yaml", text);
  return await localSite({ file, env, cwd: folder.path });
}
const door = async (listeners: string) =>
  (await site(`hostname: mx.example.org\ntls: { certificates: [] }\nlisteners: ${listeners}\n`)).door;

Deno.test("plugins, their files and secrets of theirs are not asked for", async () => {
  const { hostname, origin, messageSize, maildrop, data } = await site(
    'hostname: mx.example.org\ndomains: [example.org]\ndata: ./d\nlimits: { messageSize: 1MiB }\nplugins: [{ accounts: { file: "/none" } }, { x: "${SECRET}" }, ./none.ts]\n',
  );
  assertEquals([hostname, origin, messageSize], ["mx.example.org", "example.org", 2 ** 20]);
  assertEquals([data.endsWith("/d"), maildrop], [true, `${data}/maildrop`]);
});

Deno.test("without a file it is the dev inbox", async () => {
  await using folder = await TempFolder.make();
  const found = await localSite({ env: { POSTERN_SMTP: "127.0.0.1:2626" }, cwd: folder.path });
  assertEquals([found.origin, found.door?.address], ["localhost", { host: "127.0.0.1", port: 2626 }]);
  assertEquals(found.data, `${folder.path}/data`);
});

Deno.test("the door is one where nobody logs in, speaks TLS or sends a PROXY header", async () => {
  for (
    const [listeners, port] of [
      ['[{ address: "0.0.0.0:25" }]', 25],
      ['[{ address: "0.0.0.0:25" }, { address: "127.0.0.1:26" }]', 26],
      [
        '[{ address: "127.0.0.1:26" }, { address: "0.0.0.0:587", role: submission, auth: { required: false }, tls: offer }]',
        587,
      ],
      ['[{ address: "0.0.0.0:587", role: submission }]', null],
      ['[{ address: "0.0.0.0:25", tls: require }]', null],
      ['[{ address: "0.0.0.0:25", auth: { required: true } }]', null],
      ['[{ address: "0.0.0.0:25", proxy: ["127.0.0.0/8"] }]', null],
      ['[{ address: "127.0.0.1:24", role: lmtp }]', null],
      ['[{ address: "[::1]:25" }]', 25],
      ['[{ address: "mx.example.org:25" }]', null],
    ] as const
  ) {
    const address = (await door(listeners))?.address;
    assertEquals(address !== undefined && "port" in address ? address.port : null, port, listeners);
  }
});

Deno.test("a store in memory has no maildrop: nothing of it survives anyway", async () => {
  assertEquals((await site("store: memory\n")).maildrop, null);
});

Deno.test("addresses without a domain are of this host where it takes mail, else of the first domain", () => {
  assertEquals(originOf("mx.example.org", ["example.org", "mx.example.org"]), "mx.example.org");
  assertEquals(originOf("mx.example.org", ["*.lists.example.org", "example.org"]), "example.org");
  assertEquals(originOf("mx.example.org", []), "mx.example.org");
});

Deno.test("what cannot be read is said in one line", async () => {
  for (const text of ["hostname: [", "hostname: a b\n", "listeners: []\n", "- a\n", "limits: 1\n"]) {
    const error = await assertRejects(() => site(text), LocalSiteError);
    assertEquals(error.message.split("\n").length, 1);
  }
  await assertRejects(() => localSite({ file: "/none/at/all", env: {}, cwd: "/" }), LocalSiteError);
});
