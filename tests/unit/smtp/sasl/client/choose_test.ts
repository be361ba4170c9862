import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Channel,
  chooseMechanism,
  type ClientCredentials,
  cramMd5Client,
  externalClient,
  loginClient,
  oauthBearerClient,
  plainClient,
  SaslFailed,
  xoauth2Client,
} from "../../../../../core/smtp/sasl/client/mod.ts";
import { MECHANISMS } from "../../../../../core/smtp/sasl/mod.ts";
import { latin1, octets, utf8 } from "../../../../support/sasl.ts";

const ALL = [...MECHANISMS.keys()].reverse();
const password = { user: "tim", password: "secret" }, token = { user: "tim", token: "tok-en" };
const channel = (differs: Partial<Channel> = {}): Channel => ({
  confidential: true,
  bindings: new Map([["tls-exporter", octets("x")], ["tls-server-end-point", octets("e")]]),
  certificate: false,
  server: { host: "mx.example.org", port: 587 },
  random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  ...differs,
});
const unbound = channel({ bindings: new Map() });
/** All that can be chosen from, in turn, the chosen one taken away each time. */
function order(credentials: ClientCredentials, where: Channel): string[] {
  const left = new Set(ALL), chosen: string[] = [];
  for (
    let client = chooseMechanism([...left], credentials, where);
    client;
    client = chooseMechanism([...left], credentials, where)
  ) {
    chosen.push(client.name);
    left.delete(client.name);
  }
  return chosen;
}

Deno.test("the strongest that is offered is chosen, by what there is to show", () => {
  const passwords = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"];
  assertEquals(order(password, channel()), passwords);
  assertEquals(order(password, unbound), passwords.slice(1));
  assertEquals(order(token, channel()), ["OAUTHBEARER", "XOAUTH2"]);
  assertEquals(order({ user: "tim" }, channel({ certificate: true })), ["EXTERNAL"]);
  assertEquals(order({ user: "tim" }, channel()), []);
  assertEquals(order({ ...password, authzid: "boss" }, unbound), ["SCRAM-SHA-256", "PLAIN"]); // LOGIN cannot say it
  assertEquals(chooseMechanism(["plain", "GSSAPI"], password, channel())?.name, "PLAIN");
  assertEquals(chooseMechanism(["GSSAPI", "SCRAM-SHA-1"], password, channel()), null);
});

Deno.test("case 42: nothing that tells a secret is chosen where somebody may listen", () => {
  const open = channel({ confidential: false, bindings: new Map() });
  assertEquals(order(password, open), ["SCRAM-SHA-256"]);
  assertEquals(order(token, open), []);
});

Deno.test("case 42: a client that could bind tells a server without -PLUS so, and finds a downgrade out", async () => {
  const first = async (offered: string[], where: Channel) =>
    latin1((await chooseMechanism(offered, password, where)!.initial())!).slice(0, 2);
  assertEquals(await first(["SCRAM-SHA-256"], channel()), "y,");
  assertEquals(await first(["SCRAM-SHA-256"], unbound), "n,");
  assertEquals(await first(["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"], unbound), "n,");
  assertEquals(await first(["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"], channel()), "p=");
});

Deno.test("PLAIN, LOGIN and EXTERNAL say what they have and no more", async () => {
  const plain = plainClient({ ...password, authzid: "boss" });
  assertEquals([latin1((await plain.initial())!), plain.done()], ["boss\0tim\0secret", true]);
  await assertRejects(() => plain.respond(utf8("more")), SaslFailed);

  const login = loginClient(password);
  assertEquals([await login.initial(), login.done()], [null, false]);
  assertEquals(latin1(await login.respond(utf8("User Name\0"))), "tim");
  assertEquals(login.done(), false);
  assertEquals(latin1(await login.respond(utf8("Password:"))), "secret");
  assertEquals(login.done(), true);
  await assertRejects(() => login.respond(utf8("Password:")), SaslFailed);
  assertEquals(login.done(), false);

  const external = externalClient({});
  assertEquals([latin1((await external.initial())!), external.done()], ["", true]);
  assertEquals(latin1((await externalClient({ authzid: "tim" }).initial())!), "tim");
  await assertRejects(() => external.respond(utf8("")), SaslFailed);
});

Deno.test("OAUTHBEARER says the example of RFC 7628 4.1, XOAUTH2 Google's", async () => {
  const oauth = oauthBearerClient(
    { user: "user@example.com", token: "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" },
    { host: "server.example.com", port: 143 },
  );
  assertEquals(
    (await oauth.initial())!.toBase64(),
    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB",
  );
  const google = xoauth2Client({
    user: "someuser@example.com",
    token: "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
  });
  assertEquals(
    (await google.initial())!.toBase64(),
    "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==",
  );
  for (const [client, empty] of [[oauth, "\x01"], [google, ""]] as const) {
    assertEquals(client.done(), true);
    assertEquals(latin1(await client.respond(utf8('{"status":"invalid_token"}'))), empty);
    assertEquals(client.done(), false); // who gave a reason against us cannot mean yes
    await assertRejects(() => client.respond(utf8("{}")), SaslFailed);
  }
});

Deno.test("case 42: CRAM-MD5 makes a digest of a challenge only, not of any text", async () => {
  for (const challenge of ["", "<>", "text", "<text", "text>", `<${"a".repeat(2000)}>`]) {
    await assertRejects(() => cramMd5Client(password).respond(utf8(challenge)), SaslFailed);
  }
});

Deno.test("what a mechanism cannot say is refused before anything is said", () => {
  const server = { host: "mx.example.org", port: 587 };
  for (
    const make of [
      () => plainClient({ user: "", password: "secret" }),
      () => plainClient({ user: "tim" }),
      () => plainClient({ user: "tim", password: "" }),
      () => plainClient({ user: "tim\0", password: "secret" }),
      () => plainClient({ user: "tim", password: "secret\0" }),
      () => plainClient({ user: "tim", password: "secret", authzid: "\0" }),
      () => loginClient({ user: "tim", password: "secret\0" }),
      () => loginClient({ user: "", password: "secret" }),
      () => cramMd5Client({ user: "tim" }),
      () => externalClient({ authzid: "a\0b" }),
      () => oauthBearerClient({ user: "tim" }, server),
      () => oauthBearerClient({ user: "tim", token: "secret\x01" }, server),
      () => oauthBearerClient({ user: "tim\x01", token: "secret" }, server),
      () => xoauth2Client({ user: "", token: "secret" }),
      () => xoauth2Client({ user: "tim\x01auth=", token: "secret" }),
      () => xoauth2Client({ user: "tim", token: `${"=".repeat(1e5)}x` }),
      () => xoauth2Client({ user: "tim", token: `${"a".repeat(1e6)}!` }),
    ]
  ) {
    const { message } = assertThrows(make, SaslFailed);
    assertEquals(message.includes("secret"), false, message);
  }
});
