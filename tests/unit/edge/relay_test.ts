/** Mail over sockets as an edge platform gives them, to servers of ours and to rude ones. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { MemoryResolver } from "postern";
import { edgeHost, type RelayOptions, relayTo } from "postern/edge";
import { reject } from "../../../core/model/reply.ts";
import { testWith } from "../../support/debian.ts";
import { denoConnect } from "../../support/edge_socket.ts";
import { MailHost } from "../../support/mail_host.ts";
import { HandmadeServer } from "../../support/mail_sink.ts";
import { Authority, MAKES_CERTIFICATES } from "../../support/tls.ts";
import { eventOf } from "./events.ts";

const LOGIN = { user: "edge", password: "secret" };
const HELLO = "From: amy@example.net\nSubject: hello\n\n.Hello\n";

/** What the sender is told when mail is handed on to that server; null: it was taken. */
async function outcome(
  options: Partial<RelayOptions> & { readonly port: number },
  message: string | Uint8Array<ArrayBuffer> = HELLO,
) {
  const lines: string[] = [];
  const host = edgeHost({
    host: { name: "edge.example.org" },
    plugins: [],
    dns: new MemoryResolver({}),
    deliver: relayTo({
      connect: denoConnect(),
      host: "127.0.0.1",
      hostname: "edge.example.org",
      tls: "none",
      ...options,
    }),
    log: (line) => void lines.push(line),
  });
  const { event, done } = eventOf(message);
  const thrown = await host.email(event, {}).then(() => null, (error: Error) => error.message);
  return (done.rejected ?? thrown)?.replace(/ \(ref .*/, "") ?? null;
}

testWith(MAKES_CERTIFICATES, "a relay in TLS, with a login, and not otherwise", async (t) => {
  await using authority = await Authority.make();
  const pair = await authority.issue({ names: ["localhost"] });
  await using starttls = await MailHost.open({ pair, login: LOGIN });
  await using implicit = await MailHost.open({ pair, login: LOGIN, implicitTls: true });
  await using clear = await MailHost.open({ login: LOGIN });
  const connect = denoConnect(authority.ca), common = { connect, host: "localhost", login: LOGIN };

  await t.step("STARTTLS", async () => {
    assertEquals(await outcome({ ...common, port: starttls.port, tls: "starttls" }), null);
    const [{ text, tls, identity, sender } = {} as never] = starttls.taken;
    assertEquals([tls, identity, sender], ["TLSv1.3", "edge", "amy@example.net"]);
    assert(text.endsWith("\r\n\r\n.Hello\r\n"), text);
  });
  await t.step("TLS first", async () => {
    assertEquals(await outcome({ ...common, port: implicit.port, tls: "implicit" }), null);
    assertEquals(implicit.taken.map(({ tls, identity }) => [tls, identity]), [["TLSv1.3", "edge"]]);
  });
  await t.step("a certificate that nobody vouches for, and another name's", async () => {
    for (const wrong of [{ connect: denoConnect() }, { host: "127.0.0.1" }]) {
      const said = await outcome({ ...common, ...wrong, port: starttls.port, tls: "starttls" });
      assertMatch(said ?? "", /^451 4\.4\.[12] /);
    }
    assertEquals(starttls.taken.length, 1);
  });
  await t.step("no STARTTLS, no mail and no password", async () => {
    assertMatch(await outcome({ ...common, port: clear.port, tls: "starttls" }) ?? "", /^451 4\.7\.4 /);
    assertEquals([clear.taken, clear.asked.includes("auth")], [[], false]);
  });
  await t.step("a wrong password is the operator's trouble, and makes no mail undeliverable", async () => {
    const login = { ...LOGIN, password: "another" };
    assertMatch(await outcome({ ...common, login, port: starttls.port, tls: "starttls" }) ?? "", /^451 4\.7\.8 /);
  });
});

Deno.test("what a server says of the recipient is what the sender is told", async () => {
  await using host = await MailHost.open({
    answer: (event) => event.type === "rcpt" ? reject("5.1.1", "No such user") : undefined,
  });
  assertEquals(await outcome({ port: host.port }), "5.1.1 No such user");
  const eight = new TextEncoder().encode("Subject: x\r\n\r\nfür dich\r\n");
  await using plain = await MailHost.open({});
  assertEquals([await outcome({ port: plain.port }, eight), plain.taken[0]!.parameters.body], [null, "8BITMIME"]);
});

Deno.test("a server that breaks off, talks too much or says nothing: the mail is put off", async (t) => {
  const table: readonly [string, string | null, RegExp][] = [
    ["closes at once", "", /^451 4\.4\.2 /],
    ["greets with no", "554 5.3.2 No mail here\r\n", /^451 4\.3\.2 No mail here/],
    ["is no mail server", "HTTP/1.1 400 Bad Request\r\n\r\n", /^451 4\./],
    ["never stops to talk", `220-${"x".repeat(200_000)}`, /^451 4\./],
    ["says nothing", null, /^451 4\.4\.[12] .*gave no answer in time/],
  ];
  for (const [name, greeting, expected] of table) {
    await t.step(name, async () => {
      await using server = await HandmadeServer.open(({ socket }) => {
        if (greeting !== null) socket.end(greeting);
      });
      assertMatch(await outcome({ port: server.port, patience: greeting === null ? 50 : 20_000 }) ?? "", expected);
    });
  }
  await t.step("is not there", async () => {
    const server = await HandmadeServer.open(() => {}), { port } = server;
    await server[Symbol.asyncDispose]();
    assertMatch(await outcome({ port }) ?? "", /^451 4\.4\.1 The server could not be reached/);
  });
});
