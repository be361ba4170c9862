/** Whose mail is signed, by which keys, and what a configuration may say. The signatures themselves: tests/interop. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { OptionsError, type Simulated } from "../../../../../core/pipeline/mod.ts";
import { runPhase } from "../../../../../core/pipeline/mod.ts";
import { dkim_sign } from "../../../../../plugins/outbound/dkim_sign/mod.ts";
import { TempFolder } from "../../../../support/temp.ts";
import { pem, RFC_ED25519_PEM, rsaPkcs8 } from "../../../dkim/keys.ts";

type Options = Parameters<typeof dkim_sign>[0];

const rsa = pem("PRIVATE KEY", await rsaPkcs8(2048));
const key = (domain: string, selector = "s1", text = RFC_ED25519_PEM) => ({ domain, selector, key: text });
const from = (...values: readonly string[]) => ({
  message: `${values.map((value) => `From: ${value}\n`).join("")}Subject: x\n\nHello\n`,
});
const MAIL = from("Alice <alice@example.org>");

/** `selector@domain` of each signature, in their order; `i=` behind it when it is there. */
async function signers(options: Options, facts: Simulated = {}): Promise<string[]> {
  const plugin = dkim_sign(options);
  const { departure, reply } = await runPhase(plugin, "deliver", { origin: { identity: "alice" }, ...MAIL, ...facts });
  assertEquals([reply.verdict, departure!.attempted], ["accept", true]);
  const fields = departure!.signatures.replaceAll("\r\n ", " ").split("\r\n").slice(0, -1);
  return fields.map((field) => {
    assert(field.startsWith("DKIM-Signature: v=1; "), field);
    const tags = new Map(field.slice(16).split("; ").map((tag) => tag.split("=") as [string, string]));
    const agent = tags.get("i");
    return `${tags.get("s")}@${tags.get("d")}${agent === undefined ? "" : ` ${agent}`}`;
  });
}

Deno.test("signs for whom the site answers, and for nobody else", async () => {
  const options = { keys: [key("example.org")], networks: ["10.1.0.0/16", "2001:db8::/32"] };
  const table: [origin: NonNullable<Simulated["origin"]>, signed: boolean][] = [
    [{ identity: "alice", ip: "198.51.100.7" }, true],
    [{ identity: null, ip: "" }, true], // our own reports
    [{ identity: null, ip: "10.1.2.3" }, true],
    [{ identity: null, ip: "2001:db8::7" }, true],
    [{ identity: null, ip: "198.51.100.7" }, false], // a stranger, forwarded by an alias
    [{ identity: null, ip: "127.0.0.1" }, false], // nobody said that this is one of us
  ];
  for (const [origin, signed] of table) {
    assertEquals(await signers(options, { origin }), signed ? ["s1@example.org"] : [], JSON.stringify(origin));
  }
  assertEquals(await signers({ keys: [key("example.org")] }, { origin: { identity: null, ip: "10.1.2.3" } }), []);
});

Deno.test("the keys are those of the one From", async () => {
  const keys = [key("example.org"), key("sub.example.org", "s2"), key("bücher.example", "s3")];
  const table: [from: readonly string[], none: string[], subdomains: string[]][] = [
    [["a@EXAMPLE.org"], ["s1@example.org"], ["s1@example.org"]],
    [["a@sub.example.org"], ["s2@sub.example.org"], ["s2@sub.example.org"]],
    [["a@deep.sub.example.org"], [], ["s2@sub.example.org"]],
    [["a@other.example.org"], [], ["s1@example.org"]],
    [["a@xn--bcher-kva.example"], ["s3@xn--bcher-kva.example"], ["s3@xn--bcher-kva.example"]],
    [["a@bücher.example"], ["s3@xn--bcher-kva.example"], ["s3@xn--bcher-kva.example"]],
    [["a@example.org, b@example.org"], ["s1@example.org"], ["s1@example.org"]],
    [["a@example.org, b@example.net"], [], []],
    [["a@notexample.org"], [], []],
    [["a@example.net"], [], []],
    [['"a@example.org" <m@example.net>'], [], []],
    [["a@example.org <m@example.net>"], [], []],
    [["a@example.org", "m@example.net"], [], []],
    [["a@example.org", "a@example.org"], [], []],
    [["nobody"], [], []],
    [[], [], []],
  ];
  for (const [values, none, subdomains] of table) {
    assertEquals(await signers({ keys }, from(...values)), none, String(values));
    assertEquals(await signers({ keys, subdomains: true }, from(...values)), subdomains, `subdomains: ${values}`);
  }
});

Deno.test("fallback: the envelope's sender, where there is one From and no key for it", async () => {
  const options = { keys: [key("example.org"), key("example.net", "s2")], fallback: "envelope" as const };
  const table: [from: readonly string[], sender: string | null, signed: string[]][] = [
    [["a@example.com"], "b@example.net", ["s2@example.net"]],
    [["a@example.org"], "b@example.net", ["s1@example.org"]],
    [["nobody"], "b@example.net", ["s2@example.net"]],
    [["a@example.com"], null, []],
    [["a@example.com"], "b@example.com", []],
    [["a@example.com", "b@example.com"], "b@example.net", []],
  ];
  for (const [values, sender, signed] of table) {
    assertEquals(await signers(options, { ...from(...values), from: sender }), signed, String(values));
  }
});

Deno.test("several keys of a domain: a signature each, whatever their algorithms", async () => {
  const keys = [key("example.org", "rsa", rsa), key("example.org", "ed"), key("example.net", "other")];
  assertEquals(await signers({ keys }), ["rsa@example.org", "ed@example.org"]);
});

Deno.test("agent names the author's own domain", async () => {
  const options = { keys: [key("example.org")], subdomains: true, agent: true };
  assertEquals(await signers(options, from("a@news.example.org")), ["s1@example.org @news.example.org"]);
});

Deno.test("what was signed before is signed again, on top", async () => {
  const options = { keys: [key("example.org")] };
  const origin = { identity: "alice" };
  const once = await runPhase(dkim_sign(options), "deliver", { ...MAIL, origin });
  const twice = await runPhase(dkim_sign(options), "deliver", { message: once.departure!.sent, origin });
  assertEquals([once, twice].map(({ departure }) => departure!.sent.match(/^DKIM-Signature:/gm)!.length), [1, 2]);
});

Deno.test("a header that two readers may read in two ways goes as it is", async () => {
  assertEquals(
    await signers({ keys: [key("example.org")] }, { message: "From: a@example.org\nno field\n\nHello\n" }),
    [],
  );
});

/** Each fault of the options: where, and what. */
function faultsOf(options: unknown, base = "."): string[] {
  const error = assertThrows(() => dkim_sign.parse(options, [], { base, trouble: () => {} }), OptionsError);
  return error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
}

Deno.test("what is wrong with keys and names is said at the start, with its place", () => {
  const good = key("example.org");
  const table: [options: unknown, faults: RegExp[]][] = [
    [{}, [/^keys: /]],
    [{ keys: [] }, [/^keys: needs a key/]],
    [{ keys: [key("a b")] }, [/^keys\.0\.domain: "a b" is no domain$/]],
    [{ keys: [key("example.org", "a_b")] }, [/^keys\.0\.selector: "a_b" is no selector$/]],
    [{ keys: [good, key("Example.ORG", "S1")] }, [
      /^keys\.1\.selector: there are two keys for s1\._domainkey\.example\.org$/,
    ]],
    [{ keys: [{ ...good, key: "-----BEGIN PRIVATE KEY-----" }] }, [
      /^keys\.0\.key: the key of s1\._domainkey\.example\.org: the line .* is missing$/,
    ]],
    [{ keys: [good], headers: ["Received"] }, [/^headers\.0: "Received" is no field that stays/]],
    [{ keys: [good], networks: ["10.0.0.0/33"] }, [/^networks\.0: /]],
    [{ keys: [good], expire: "0s" }, [/^expire: /]],
    [{ keys: [good], canonicalization: "nofws" }, [/^canonicalization: /]],
    [{ keys: [good], sign: true }, [/sign/]],
  ];
  for (const [options, faults] of table) {
    const found = faultsOf(options);
    assertEquals(found.length, faults.length, found.join("\n"));
    for (const [at, fault] of faults.entries()) assert(fault.test(found[at]!), found[at]);
  }
});

Deno.test("key files: from the configuration's folder, each fault told, and who else may read them", async () => {
  await using folder = await TempFolder.make();
  await folder.file("keys/good.pem", RFC_ED25519_PEM);
  await folder.file("open.pem", RFC_ED25519_PEM);
  await folder.file("short.pem", pem("PRIVATE KEY", await rsaPkcs8(1024)));
  await folder.file("bad.pem", "no key\n");
  await folder.file("big.pem", " ".repeat(100_000));
  for (const name of ["keys/good.pem", "short.pem"]) await Deno.chmod(folder.at(name), 0o640);
  await Deno.chmod(folder.at("open.pem"), 0o604);

  const files = ["keys/good.pem", "bad.pem", "none.pem", "big.pem", "keys"];
  const keys = files.map((file, at) => ({ domain: "example.org", selector: `s${at}`, key: file }));
  assertEquals(faultsOf({ keys }, folder.path), [
    "keys.1.key: bad.pem: it has no PEM with a PRIVATE KEY",
    "keys.2.key: none.pem: there is no such file; postern dkim keygen makes one",
    "keys.3.key: big.pem: is too big for a key: 100000 octets",
    "keys.4.key: keys: is no file",
  ]);

  const told: string[] = [];
  const plugin = dkim_sign.parse(
    {
      keys: ["keys/good.pem", "open.pem", "short.pem"].map((file, at) => key("example.org", `s${at}`, file)),
    },
    [],
    { base: folder.path, trouble: (message) => told.push(message) },
  );
  assertEquals(told, [
    `open.pem can be read by everybody on this machine: chmod 600 ${folder.at("open.pem")}`,
    "short.pem has 1024 bits, and keys should have 2048 at least (RFC 8301 3.2)",
  ]);
  const { departure } = await runPhase(plugin, "deliver", { ...MAIL, origin: { identity: "alice" } });
  assertEquals(departure!.signatures.match(/ s=s\d;/g), [" s=s0;", " s=s1;", " s=s2;"]);
});
