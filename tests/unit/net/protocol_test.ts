/** How a session is spoken of in Received, and who is there after XCLIENT. */
import { assertEquals } from "@std/assert";
import { proxiedClient, receivedProtocol } from "../../../core/net/protocol.ts";
import type { Client } from "../../../core/pipeline/contexts/contexts.ts";

const tls = { version: "TLSv1.3", cipher: "x", serverName: null, resumed: false, certificate: null };
const client = (secure: boolean, identity: string | null): Client => ({
  ip: "192.0.2.1",
  port: 25,
  tls: secure ? tls : null,
  identity,
});

Deno.test("the with word of Received has S for TLS and A for a login (RFC 3848, RFC 6531 4.3)", () => {
  const rows: [Parameters<typeof receivedProtocol>, string][] = [
    [["HELO", false, client(true, "a")], "SMTP"],
    [["EHLO", false, client(false, null)], "ESMTP"],
    [["EHLO", false, client(true, null)], "ESMTPS"],
    [["EHLO", false, client(false, "a")], "ESMTPA"],
    [["EHLO", false, client(true, "a")], "ESMTPSA"],
    [["EHLO", true, client(false, null)], "UTF8SMTP"],
    [["EHLO", true, client(true, "a")], "UTF8SMTPSA"],
    [["LHLO", false, client(true, "a")], "LMTPSA"],
    [["LHLO", true, client(true, null)], "UTF8LMTPS"],
  ];
  for (const [facts, word] of rows) assertEquals(receivedProtocol(...facts), word);
});

Deno.test("XCLIENT replaces what it tells of, and the proxy's own TLS and login are not the client's", () => {
  const told = proxiedClient(
    client(true, "proxy"),
    "proxy.example",
    new Map([["ADDR", "2001:db8::7"], ["PORT", "4711"]]),
  );
  assertEquals(told, {
    client: { ip: "2001:db8::7", port: 4711, tls: null, identity: null },
    helo: "proxy.example",
    verb: null,
  });
  const login = proxiedClient(
    client(false, null),
    "",
    new Map([["LOGIN", "bob"], ["HELO", "c.example"], ["PROTO", "SMTP"]]),
  );
  assertEquals([login.client.identity, login.client.ip, login.helo, login.verb], [
    "bob",
    "192.0.2.1",
    "c.example",
    "HELO",
  ]);
  const unknown = proxiedClient(
    client(false, null),
    "x",
    new Map<string, string | null>([["ADDR", null], ["PORT", null]]),
  );
  assertEquals([unknown.client.ip, unknown.client.port], ["192.0.2.1", 25]);
});
