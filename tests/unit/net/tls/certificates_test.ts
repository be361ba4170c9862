/** Which certificate a name gets, and what happens to it when files change under a running server. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Certificates, type CertificatesOptions } from "../../../../core/net/tls/certificates.ts";
import { PairError, type PairFiles } from "../../../../core/net/tls/pair.ts";
import { ServerTls } from "../../../../core/net/tls/server_tls.ts";
import { testWith } from "../../../support/debian.ts";
import { TempFolder } from "../../../support/temp.ts";
import { waitFor } from "../../../support/wait.ts";
import { type Issued, Pki } from "./pki.ts";
import { TlsServer } from "./tls_server.ts";

const DAY = 86_400_000;

async function open(pairs: readonly PairFiles[], options: Partial<CertificatesOptions> = {}) {
  const troubles: string[] = [], notices: string[] = [];
  const certificates = await Certificates.open({
    pairs,
    trouble: (message) => void troubles.push(message),
    notice: (message) => void notices.push(message),
    period: 0,
    ...options,
  });
  return { certificates, troubles, notices, shown: () => certificates.pick(null).leaf.commonName };
}

/** Two looks: a change counts once it holds still. */
async function looks(certificates: Certificates): Promise<void> {
  await certificates.check();
  await certificates.check();
}

/** Puts the files of a pair in the place of others, as `cp` does. */
async function copy(from: PairFiles, to: PairFiles): Promise<void> {
  await Deno.copyFile(from.certificate, to.certificate);
  await Deno.copyFile(from.key, to.key);
}

async function made(folder: TempFolder): Promise<{ pki: Pki; place: PairFiles; old: Issued; fresh: Issued }> {
  const pki = new Pki(folder.path);
  const old = await pki.issue("old", { san: "DNS:a.example" }),
    fresh = await pki.issue("new", { san: "DNS:a.example" });
  const place = { certificate: folder.at("live.crt"), key: folder.at("live.key") };
  await copy(old, place);
  return { pki, place, old, fresh };
}

testWith(
  ["openssl"],
  "the name that a client asks for picks the pair: exact, then wildcard of one label, then the first",
  async () => {
    await using folder = await TempFolder.make();
    const pki = new Pki(folder.path);
    const pairs = await Promise.all([
      pki.issue("first", { san: "DNS:mx.example, IP:192.0.2.1" }),
      pki.issue("wild", { san: "DNS:*.b.example, DNS:xn--bcher-kva.example" }),
      pki.issue("exact", { san: "DNS:x.b.example, DNS:MX.EXAMPLE, DNS:UPPER.Example" }),
      pki.issue("nameless"),
    ]);
    const { certificates } = await open(pairs);
    const table: readonly [string | null, string][] = [
      [null, "first"],
      ["mx.example", "first"], // in two pairs: the first of them
      ["x.b.example", "exact"],
      ["y.b.example", "wild"],
      ["Y.B.Example", "wild"],
      ["y.b.example.", "wild"],
      ["upper.example", "exact"],
      ["xn--bcher-kva.example", "wild"],
      ["b.example", "first"],
      ["z.y.b.example", "first"],
      ["*.b.example", "wild"],
      [".b.example", "first"],
      ["nameless", "first"], // a common name is no name (RFC 9525 2)
      ["192.0.2.1", "first"],
      ["", "first"],
      [".", "first"],
      ["__proto__", "first"],
      ["constructor", "first"],
      ["x".repeat(4096), "first"],
      ["a\0.b.example", "wild"], // never gets here: client_hello.ts, and the TLS stack, refuse it
    ];
    for (const [name, expected] of table) assertEquals(certificates.pick(name).leaf.commonName, expected, String(name));
    assert(certificates.several);
    assertEquals(certificates.list.map(({ path, names }) => [path, names]), [
      [pairs[0].certificate, ["mx.example"]],
      [pairs[1].certificate, ["*.b.example", "xn--bcher-kva.example"]],
      [pairs[2].certificate, ["x.b.example", "mx.example", "upper.example"]],
      [pairs[3].certificate, []],
    ]);
    assertMatch(certificates.list[0]!.fingerprint, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    const { issuer, selfSigned, keyType, writtenAt, key } = certificates.list[0]!;
    assertEquals([issuer, selfSigned, keyType, key], ["first", true, "EC P-256", pairs[0].key]);
    assert(Math.abs(writtenAt! - Date.now()) < 3_600_000);
  },
);

testWith(["openssl"], "none configured, or one of several that cannot be read: no start", async () => {
  await using folder = await TempFolder.make();
  const { place } = await made(folder);
  await assertRejects(() => open([]), PairError);
  await assertRejects(
    () => open([place, { certificate: folder.at("x"), key: place.key }]),
    PairError,
    "/x: no such file",
  );
});

testWith(["openssl"], "a good new pair is used for new handshakes, while sessions go on with the old one", async () => {
  await using folder = await TempFolder.make();
  const { place, fresh } = await made(folder);
  const { certificates, troubles, notices } = await open([place]);
  await using server = await TlsServer.open(new ServerTls({ certificates, minVersion: "TLSv1.2" }));
  const before = await server.client();
  assertEquals(before.getPeerCertificate().subject.CN, "old");
  await copy(fresh, place);
  await certificates.check();
  const meanwhile = await server.client(); // seen to have changed, and left alone until it holds still
  assertEquals(meanwhile.getPeerCertificate().subject.CN, "old");
  await certificates.check();
  const after = await server.client();
  assertEquals(after.getPeerCertificate().subject.CN, "new");
  const echo = new Promise<string>((resolve) => before.once("data", (chunk) => resolve(String(chunk))));
  before.write("still here");
  assertEquals(await echo, "still here");
  assertEquals([troubles, notices.length], [[], 1]);
  assertMatch(notices[0]!, /live\.crt: read again, [0-9A-F:]+, valid until /);
  for (const socket of [before, meanwhile, after]) socket.destroy();
});

testWith(
  ["openssl"],
  "case 47: a bad new pair keeps the old one, says so once, and the next good one is taken",
  async () => {
    await using folder = await TempFolder.make();
    const { pki, place, old, fresh } = await made(folder);
    const { certificates, troubles, shown } = await open([place]);
    const expired = await pki.issue("expired", { days: -1 });
    const bad: Record<string, [() => Promise<void>, RegExp]> = {
      "expired": [
        () => copy(expired, place),
        /live\.crt: the certificate has expired on .*; what was read before stays in use$/,
      ],
      "another's key": [() => Deno.copyFile(fresh.key, place.key), /live\.key: the key of another certificate/],
      "empty": [() => Deno.writeTextFile(place.certificate, ""), /no certificate in it/],
      "cut off": [() => Deno.truncate(place.key, 40), /cannot be read/],
      "gone": [() => Deno.remove(place.certificate), /no such file/],
    };
    for (const [name, [spoil, sentence]] of Object.entries(bad)) {
      await spoil();
      for (let times = 0; times < 5; times++) await certificates.check();
      assertEquals(shown(), "old", name);
      assertEquals(troubles.length, 1, `${name}: ${troubles}`);
      assertMatch(troubles.pop()!, sentence);
      await copy(old, place);
      await looks(certificates);
      assertEquals(troubles, [], name);
    }
    await copy(fresh, place);
    await looks(certificates);
    assertEquals(shown(), "new");
  },
);

testWith(["openssl"], "case 47: half of a new pair is waited for in silence", async () => {
  await using folder = await TempFolder.make();
  const { place, fresh } = await made(folder);
  const { certificates, troubles, shown } = await open([place]);
  await Deno.copyFile(fresh.certificate, place.certificate);
  await certificates.check();
  await Deno.copyFile(fresh.key, place.key);
  await certificates.check();
  assertEquals([shown(), troubles], ["old", []]);
  await certificates.check();
  assertEquals([shown(), troubles], ["new", []]);
});

testWith(
  ["openssl"],
  "renamed over, switched symlinks of certbot, a switched folder of Kubernetes: all are seen",
  async () => {
    await using folder = await TempFolder.make();
    const { pki, old, fresh } = await made(folder);
    const third = await pki.issue("third");
    const ways: Record<string, { place: PairFiles; put(pair: Issued, turn: number): Promise<void> }> = {
      "rename": {
        place: { certificate: folder.at("r.crt"), key: folder.at("r.key") },
        async put(pair) {
          for (const part of ["certificate", "key"] as const) {
            await Deno.copyFile(pair[part], `${this.place[part]}.new`);
            await Deno.rename(`${this.place[part]}.new`, this.place[part]);
          }
        },
      },
      "certbot": { // live/name/privkey.pem -> ../../archive/name/privkey2.pem
        place: { certificate: folder.at("live/fullchain.pem"), key: folder.at("live/privkey.pem") },
        async put(pair, turn) {
          await Deno.mkdir(folder.at("live"), { recursive: true });
          await Deno.mkdir(folder.at("archive"), { recursive: true });
          for (const [name, part] of [["privkey", "key"], ["fullchain", "certificate"]] as const) {
            await Deno.copyFile(pair[part], folder.at(`archive/${name}${turn}.pem`));
            await Deno.remove(folder.at(`live/${name}.pem`)).catch(() => {});
            await Deno.symlink(`../archive/${name}${turn}.pem`, folder.at(`live/${name}.pem`));
          }
        },
      },
      "Kubernetes": { // tls.crt -> ..data/tls.crt, ..data -> ..2026_01_01
        place: { certificate: folder.at("mount/tls.crt"), key: folder.at("mount/tls.key") },
        async put(pair, turn) {
          const at = (name: string) => folder.at(`mount/${name}`);
          await Deno.mkdir(at(`..2026_${turn}`), { recursive: true });
          await Deno.copyFile(pair.certificate, at(`..2026_${turn}/tls.crt`));
          await Deno.copyFile(pair.key, at(`..2026_${turn}/tls.key`));
          await Deno.symlink(`..2026_${turn}`, at("..data_tmp"));
          await Deno.rename(at("..data_tmp"), at("..data"));
          if (turn > 1) return void await Deno.remove(at(`..2026_${turn - 1}`), { recursive: true });
          for (const name of ["tls.crt", "tls.key"]) await Deno.symlink(`..data/${name}`, at(name));
        },
      },
    };
    for (const [name, way] of Object.entries(ways)) {
      await way.put(old, 1);
      const { certificates, troubles, shown } = await open([way.place]);
      for (const [turn, pair, expected] of [[2, fresh, "new"], [3, third, "third"]] as const) {
        await way.put(pair, turn);
        await looks(certificates);
        assertEquals([shown(), troubles], [expected, []], name);
      }
    }
  },
);

testWith(["openssl"], "the timer looks by itself, and ends with close", async () => {
  await using folder = await TempFolder.make();
  const { place, fresh } = await made(folder);
  const { certificates, shown } = await open([place], { period: 5 });
  await copy(fresh, place);
  await waitFor("the new pair", () => shown() === "new");
  certificates.close(); // else this test has left a timer behind
});

testWith(["openssl"], "reload reads at once, tells each time what is wrong, and takes what is right", async () => {
  await using folder = await TempFolder.make();
  const { pki, place, fresh } = await made(folder);
  const other = await pki.issue("other", { san: "DNS:b.example" });
  const { certificates, troubles, shown } = await open([place, other]);
  await copy(fresh, place);
  await Deno.writeTextFile(other.key, "");
  for (let times = 1; times <= 2; times++) {
    const faults = await certificates.reload();
    assertEquals(faults.length, 1);
    assertMatch(faults[0]!, /no private key in it$/);
    assertEquals(troubles.length, times);
  }
  assertEquals([shown(), certificates.pick("b.example").leaf.commonName], ["new", "other"]);
});

testWith(["openssl"], "the end of a certificate is spoken of from fourteen days before, once a day", async () => {
  await using folder = await TempFolder.make();
  const pki = new Pki(folder.path);
  const pair = await pki.issue("x", { days: 20 });
  let now = Date.now() + 60_000;
  const { certificates, troubles } = await open([pair], { now: () => now });
  const after = async (days: number) => {
    now += days * DAY;
    await certificates.check();
    await certificates.check();
    return troubles.splice(0);
  };
  assertEquals(await after(0), []);
  assertEquals(await after(5), []);
  assertMatch(
    (await after(1)).join("|"),
    /^[^|]+: the certificate expires on \d{4}-\d\d-\d\d \d\d:\d\d UTC, in 13 days$/,
  );
  assertEquals(await after(0.5), []);
  assertMatch((await after(0.5)).join("|"), /^[^|]+in 12 days$/);
  assertMatch((await after(12)).join("|"), /^[^|]+in 0 days$/);
  assertMatch((await after(2)).join("|"), /^[^|]+has expired on [^|]+: clients refuse it$/);
});

testWith(
  ["openssl"],
  "one that has expired, or is not valid yet, serves at the start and is spoken of loudly",
  async () => {
    await using folder = await TempFolder.make();
    const pki = new Pki(folder.path);
    const expired = await open([await pki.issue("x", { days: -1 })]);
    assertMatch(expired.troubles.join("|"), /^[^|]+has expired on/);
    assertEquals(expired.shown(), "x");
    const early = await open([await pki.issue("y")], { now: () => Date.now() - DAY });
    assertMatch(early.troubles.join("|"), /^[^|]+not valid before [^|]+is the clock right\?$/);
  },
);

testWith(["openssl"], "a new pair that is not valid yet is taken when its time has come", async () => {
  await using folder = await TempFolder.make();
  const { place, fresh } = await made(folder);
  let now = Date.now() - DAY / 2;
  const { certificates, troubles, shown } = await open([place], { now: () => now });
  troubles.length = 0; // the old one is early as well
  await copy(fresh, place);
  await looks(certificates);
  assertMatch(troubles[0]!, /not valid before .* stays in use$/);
  assertEquals(shown(), "old");
  now += DAY;
  await certificates.check();
  assertEquals(shown(), "new");
});

testWith(
  ["openssl"],
  "authorities of clients: what cannot be used is refused at the start and kept out later",
  async () => {
    await using folder = await TempFolder.make();
    const { pki, place, old } = await made(folder);
    const { certificates, troubles } = await open([place]);
    const ca = await pki.authority("CA"), expired = await pki.authority("past", { days: -1 });
    const bad: Record<string, [string, RegExp]> = {
      "missing": [folder.at("none"), /no such file$/],
      "a key": [old.key, /no certificate in it$/],
      "expired": [expired.certificate, /no certificate in it is valid today$/],
      "too many": [await pki.bundle(...new Array<Issued>(17).fill(ca)), /17 authorities; 16 are the most/],
    };
    for (const [name, [path, sentence]] of Object.entries(bad)) {
      const error = await assertRejects(() => certificates.trust(path), PairError);
      assertMatch(error.message, sentence, name);
    }
    const file = await pki.bundle(ca, expired);
    const trusted = await certificates.trust(file);
    assertEquals(trusted.value.certificates.map(({ commonName }) => commonName), ["CA"]);
    assertEquals(await certificates.trust(file), trusted);
    await Deno.writeTextFile(file, "");
    await looks(certificates);
    assertMatch(troubles.join("|"), /^[^|]+no certificate in it; what was read before stays in use$/);
    assertEquals(trusted.value.certificates.length, 1);
  },
);
