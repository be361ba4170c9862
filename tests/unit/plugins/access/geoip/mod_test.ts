import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { on, OptionsError, type Plugin, simulate, type Simulated } from "../../../../../core/pipeline/mod.ts";
import { GEOIP, geoip } from "../../../../../plugins/access/geoip/mod.ts";
import { mmdb } from "../../../../support/mmdb.ts";
import { TempFolder } from "../../../../support/temp.ts";
import { waitFor } from "../../../../support/wait.ts";

type Options = Parameters<typeof geoip>[0];
const COUNTRIES = mmdb({
  "192.0.2.0/24": { country: { iso_code: "CH" } },
  "198.51.100.0/24": { country: { iso_code: "DE" } },
  "2001:db8::/32": { country: { iso_code: "FR" } },
});
const NETWORKS = mmdb({
  "198.51.100.0/24": { autonomous_system_number: 64_500, autonomous_system_organization: "Example" },
  "203.0.113.0/24": { autonomous_system_number: 64_501 },
});
const inbox = on("rcpt", (ctx, next) => (ctx.route({ to: "local", plugin: "inbox" }), next()), { name: "inbox" });

async function site() {
  const folder = await TempFolder.make("postern-geoip-");
  await Deno.writeFile(folder.at("country.mmdb"), COUNTRIES);
  await Deno.writeFile(folder.at("asn.mmdb"), NETWORKS);
  const troubles: string[] = [];
  const make = (options: Partial<Options> = {}): Plugin =>
    geoip.parse({ files: ["country.mmdb", "asn.mmdb"], ...options }, ["geoip"], {
      base: folder.path,
      trouble: (text) => void troubles.push(text),
    });
  return { folder, troubles, make, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}
const run = (plugin: Plugin, ip: string, facts: Simulated = {}) =>
  simulate([plugin, inbox], { ip, to: "b@example.org", ...facts });

Deno.test("geoip: what two databases know together is one fact", async () => {
  await using place = await site();
  const plugin = place.make(), nothing = { country: null, asn: null, organization: null };
  const table: readonly [string, object | undefined][] = [
    ["192.0.2.7", { ...nothing, country: "CH" }],
    ["198.51.100.7", { country: "DE", asn: 64_500, organization: "Example" }],
    ["203.0.113.7", { ...nothing, asn: 64_501 }],
    ["2001:db8::7", { ...nothing, country: "FR" }],
    ["10.0.0.1", nothing],
    ["127.0.0.1", undefined],
  ];
  for (const [ip, facts] of table) assertEquals((await run(plugin, ip)).get(GEOIP), facts, ip);
  assertEquals(place.troubles, []);
});

Deno.test("geoip: the first rule that fits counts", async () => {
  await using place = await site();
  const plugin = place.make({
    rules: [
      { asns: [64_500], reject: true },
      { countries: ["ch"], points: -1 },
      { countries: ["AT", "CH"], not: true, points: 2 },
      { unknown: true, points: 0.5 },
    ],
    networks: ["198.51.100.8"],
  });
  const table: readonly [string, number, readonly number[]][] = [
    ["198.51.100.7", 550, []],
    ["198.51.100.8", 250, []],
    ["192.0.2.1", 250, [-1]],
    ["2001:db8::1", 250, [2]],
    ["203.0.113.1", 250, []], // its country is not known, so it is no other than these
    ["10.0.0.1", 250, [0.5]],
  ];
  for (const [ip, code, points] of table) {
    const result = await run(plugin, ip);
    assertEquals([result.reply.code, result.scores.map((each) => each.points)], [code, points], ip);
  }
  const { reply, replies } = await run(plugin, "198.51.100.7");
  assertEquals(String(reply), "550 5.7.1 Mail from where 198.51.100.7 is at home is not taken here");
  assertEquals([reply.options.reason, replies.at(-1)?.phase], ["country=DE asn=64500 (Example)", "rcpt"]);
  const login = on("auth", (ctx, next) => (ctx.identify("ann"), next()));
  const facts = { to: "b@example.org", login: { user: "ann", password: "x" } };
  for (const ip of ["198.51.100.7", "2001:db8::1"]) {
    const result = await simulate([plugin, login, inbox], { ip, ...facts });
    assertEquals([result.reply.code, result.scores], [250, []]);
  }
});

Deno.test("geoip: a file that is not there is told of once and gives no facts; required, it stops the start", async () => {
  await using place = await site();
  const plugin = place.make({ files: ["none.mmdb"], rules: [{ unknown: true, reject: true }] });
  for (const _ of [1, 2]) {
    const result = await run(plugin, "192.0.2.1");
    assertEquals([result.reply.code, result.get(GEOIP)], [250, undefined]);
  }
  assertEquals(place.troubles, ["none.mmdb: there is no such file; no facts come from it until it is there"]);
  const error = assertThrows(
    () => place.make({ files: ["country.mmdb", "none.mmdb"], required: true }),
    OptionsError,
    "geoip.files.1: none.mmdb: there is no such file",
  );
  assertEquals((error as OptionsError).issues[0]!.path, ["geoip", "files", 1]);
  await place.folder.file("text.mmdb", "not a database\n");
  assertThrows(() => place.make({ files: ["text.mmdb"], required: true }), OptionsError, "it is no MaxMind DB");
});

Deno.test("geoip: a file that is replaced while the server runs is read, a broken one is not", async () => {
  await using place = await site();
  let ahead = 60_000; // of the files' own time
  const plugin = place.make({ files: ["country.mmdb"] });
  const country = async () => {
    ahead += 11_000; // it looks once in ten seconds
    return (await run(plugin, "192.0.2.1", { now: () => Date.now() + ahead })).get(GEOIP)?.country;
  };
  assertEquals(await country(), "CH");
  const replace = async (octets: Uint8Array) => {
    await Deno.writeFile(place.folder.at("new"), octets);
    await Deno.rename(place.folder.at("new"), place.folder.at("country.mmdb"));
  };
  await replace(mmdb({ "192.0.2.0/24": { country: { iso_code: "AT" } } }));
  await waitFor("the new database", async () => await country() === "AT");

  await replace(COUNTRIES.subarray(0, 50));
  await waitFor("what is said of the broken one", async () => (await country(), place.troubles.length > 0));
  assertEquals(await country(), "AT");
  await Deno.remove(place.folder.at("country.mmdb"));
  await waitFor("what is said of none", async () => (await country(), place.troubles.length > 1));
  assertEquals(await country(), "AT");
  assertEquals(place.troubles, [
    "country.mmdb: it is no MaxMind DB; the one read before stays in use",
    "country.mmdb: there is no such file; the one read before stays in use",
  ]);
  await replace(COUNTRIES);
  await waitFor("the third database", async () => await country() === "CH");
});

Deno.test("geoip: a damaged record is told of once and stops no mail", async () => {
  await using place = await site();
  const octets = mmdb({ "0.0.0.0/1": "x".repeat(200) }, { ipVersion: 4, recordSize: 24 });
  octets.set([0x20, 0x00], 6 + 16);
  await Deno.writeFile(place.folder.at("bad.mmdb"), octets);
  const plugin = place.make({ files: ["bad.mmdb", "country.mmdb"] });
  for (const ip of ["1.2.3.4", "192.0.2.1"]) assertEquals((await run(plugin, ip)).reply.code, 250);
  assertEquals((await run(plugin, "192.0.2.1")).get(GEOIP)?.country, "CH");
  assertEquals(place.troubles, ["Test: damaged: a pointer leads to a pointer"]);
});

Deno.test("geoip: options: what is wrong is said with its place", () => {
  const table: readonly [unknown, RegExp][] = [
    [{}, /geoip\.files/],
    [{ files: [] }, /geoip\.files/],
    [{ files: ["x"], rules: [{ points: 1 }] }, /geoip\.rules\.0: names nobody/],
    [{ files: ["x"], rules: [{ countries: ["CH"] }] }, /geoip\.rules\.0: must say either/],
    [{ files: ["x"], rules: [{ countries: ["CH"], points: 1, reject: true }] }, /geoip\.rules\.0: must say either/],
    [{ files: ["x"], rules: [{ countries: ["CHE"], points: 1 }] }, /two letters/],
    [{ files: ["x"], rules: [{ asns: ["AS1"], points: 1 }] }, /number of a network/],
  ];
  for (const [options, message] of table) {
    assertMatch(assertThrows(() => geoip.parse(options, ["geoip"]), OptionsError).message, message);
  }
});
