/** What `store` says: databases, what is wrong with them, what is odd, and that no password is shown anywhere. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { unreachable } from "../../../cli/check/command.ts";
import { ConfigError, formatIssue } from "../../../core/config/issue.ts";
import { loadConfig } from "../../../core/config/load.ts";
import { reloaded } from "../../../core/reload.ts";
import { TempFolder } from "../../support/temp.ts";

const PASSWORD = "t0p-s3cret";
const load = async (folder: TempFolder, store: string, env: Record<string, string> = {}) =>
  await loadConfig({ file: await folder.file("postern.yaml", `store: ${store}\nplugins: [inbox]\n`), env });

Deno.test("store: sqlite, memory, or a database; a file of a certificate starts at the configuration's folder", async () => {
  await using folder = await TempFolder.make();
  await folder.file("ca.pem", "-----BEGIN CERTIFICATE-----\n");
  const of = async (store: string, env = {}) => (await load(folder, store, env)).store;
  assertEquals([await of("sqlite"), await of("memory")], ["sqlite", "memory"]);
  const env = { PGPASSWORD: PASSWORD };
  assertEquals(await of("postgres://postern:${PGPASSWORD}@db/mail", env), {
    postgres: `postgres://postern:${PASSWORD}@db/mail`,
  });
  assertEquals(await of("postgresql://postern@db1,db2:5433/mail?sslmode=verify-full&sslrootcert=ca.pem"), {
    postgres: `postgresql://postern@db1,db2:5433/mail?sslmode=verify-full&sslrootcert=${
      encodeURIComponent(folder.at("ca.pem"))
    }`,
  });
});

Deno.test("store: the configuration of docs/postgres.md is one that the server takes, and mail comes in by it", async () => {
  const text = Deno.readTextFileSync(new URL("../../../docs/postgres.md", import.meta.url));
  const [, yaml] = /^```yaml\n(.*?)^```$/ms.exec(text)!;
  await using folder = await TempFolder.make();
  const config = await loadConfig({
    file: await folder.file("postern.yaml", yaml!),
    env: { PGPASSWORD: "x", POSTERN_ADMIN_TOKEN: "a-token-of-the-tests", POSTERN_NODE: "a" },
  });
  assertEquals(config.node, "a");
  assertEquals([...config.warnings, ...await unreachable(config)], []);
});

Deno.test("store: every fault has its place and none shows a password", async () => {
  await using folder = await TempFolder.make();
  const faults: readonly [store: string, words: RegExp][] = [
    ["oracle", /must be sqlite, memory, or a URL such as postgres:/],
    ["postgres:", /must be sqlite, memory, or a URL/],
    [`postgres://postern:${PASSWORD}@db`, /names no database/],
    [`postgres://postern:${PASSWORD}@db/`, /names no database/],
    [`postgres://:${PASSWORD}@db/mail`, /names no user/],
    [`postgres://postern:${PASSWORD}@db/mail?sslmode=sometimes`, /sslmode is disable, prefer, require or verify-full/],
    [`postgres://postern:${PASSWORD}@db/mail?pool=9`, /the parameter "pool" is not known/],
    [`postgres://postern:${PASSWORD}@db:99999/mail`, /a port is a number from 1 to 65535/],
    [`postgres://postern:${PASSWORD}/x@db/mail`, /is not of the form|a host is/],
    [`postgres://postern:x?${PASSWORD}=1@db/mail`, /names no database|is not of the form/],
    [`postgres://postern:%zz${PASSWORD}@db/mail`, /percent sign/],
    [`postgres://postern:${PASSWORD}@db/mail?sslrootcert=nowhere.pem`, /sslrootcert cannot be read/],
  ];
  for (const [store, words] of faults) {
    const { issues } = await assertRejects(() => load(folder, JSON.stringify(store)), ConfigError);
    assertEquals(issues.length, 1, store);
    const line = formatIssue(issues[0]!);
    assert(line.includes("postern.yaml:1:8: store: ") && words.test(line), line);
    assert(!line.includes(PASSWORD), line);
  }
});

Deno.test("store: settings and warnings have no password; mail in clear over a network is warned of", async () => {
  await using folder = await TempFolder.make();
  const env = { PGPASSWORD: PASSWORD };
  for (const store of ["postgres://postern:${PGPASSWORD}@db/mail", `postgres://postern:${PASSWORD}@db/mail`]) {
    const { settings, warnings } = await load(folder, store, env), shown = JSON.stringify([settings, warnings]);
    assert(!shown.includes(PASSWORD), shown);
    assertEquals(warnings.filter((each) => each.startsWith("store: ")).length, 1, shown);
  }
  const warned = async (rest: string) =>
    (await load(folder, `postgres://postern@${rest}`)).warnings.find((each) => each.startsWith("store: ")) ?? null;
  assert((await warned("db/mail?sslmode=disable"))!.includes("in clear; set sslmode=verify-full"));
  assert((await warned("db/mail?sslmode=require"))!.includes("believes whoever answers"));
  for (const rest of ["db/mail?sslmode=verify-full", "127.0.0.1/mail", "[::1]:5433/mail", "localhost/mail"]) {
    assertEquals(await warned(rest), null, rest);
  }
  assertEquals(await warned("/mail?host=/run/postgresql"), null);
});

Deno.test("store: another one wants a restart, and the words about it have no password", async () => {
  await using folder = await TempFolder.make();
  const running = await load(folder, "postgres://postern@127.0.0.1/mail");
  const told: string[] = [];
  const { faults } = await reloaded({
    running,
    load: () => load(folder, `postgres://postern:${PASSWORD}@127.0.0.1/mail`),
    change: () => Promise.resolve(),
    told: (event) => void told.push(JSON.stringify(event)),
  });
  assertEquals(faults, ["store can only be changed by a restart"]);
  assert(!told.join().includes(PASSWORD));
});
