/** A directory that lies, hangs or talks too much; a real one is in tests/interop. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { OptionsError } from "../../../../../core/pipeline/mod.ts";
import { ldap_auth } from "../../../../../plugins/auth/ldap_auth/mod.ts";
import { LATER, login, NO } from "../login.ts";

const DN = "uid={user},dc=example,dc=org";
/** LDAPMessage { id, BindResponse { code } }, and the answer to StartTLS. */
const bindResponse = (id: number, code: number) => [0x30, 12, 2, 1, id, 0x61, 7, 10, 1, code, 4, 0, 4, 0];
const extendedResponse = (code: number) => [0x30, 12, 2, 1, 1, 0x78, 7, 10, 1, code, 4, 0, 4, 0];
/** The same with lengths as some servers write them. */
const longResponse = [0x30, 0x84, 0, 0, 0, 16, 2, 1, 1, 0x78, 0x84, 0, 0, 0, 7, 10, 1, 0, 4, 0, 4, 0];

/** What a server says to what it was sent; null: hang up. */
type Script = (request: Uint8Array, times: number) => Uint8Array | number[] | null;

async function server(script: Script, body: (port: number, sent: Uint8Array[]) => Promise<void>): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sent: Uint8Array[] = [];
  const conns: Deno.Conn[] = [];
  const running = (async () => {
    for await (const conn of listener) {
      conns.push(conn);
      (async () => {
        const buffer = new Uint8Array(65536);
        try {
          for (let times = 1, size; (size = await conn.read(buffer)) !== null; times++) {
            sent.push(buffer.slice(0, size));
            const answer = script(sent.at(-1)!, times);
            if (answer === null) return conn.close();
            for (let at = 0; at < answer.length;) at += await conn.write(Uint8Array.from(answer.slice(at)));
          }
          conn.close();
        } catch { /* the other side has gone */ }
      })();
    }
  })();
  try {
    await body(listener.addr.port, sent);
  } finally {
    listener.close();
    for (const conn of conns) {
      try {
        conn.close();
      } catch { /* it is closed */ }
    }
    await running;
  }
}

const holds = (octets: Uint8Array, text: string) => new TextDecoder("latin1").decode(octets).includes(text);

Deno.test("results of a bind: those that say no are 535, all others 454 by their number alone", async () => {
  const table: [number, string][] = [
    [0, "yes alice"],
    ...[49, 32, 34, 48, 19, 50, 53].map((code): [number, string] => [code, NO]),
    ...[1, 2, 3, 7, 8, 10, 11, 13, 14, 51, 52, 54, 80, 99].map((code): [number, string] => [code, LATER]),
  ];
  for (const [code, said] of table) {
    await server(([, , , , id]) => bindResponse(id!, code), async (port) => {
      const plugin = ldap_auth({ url: `ldap://127.0.0.1:${port}`, dn: DN, identity: null });
      const outcome = await login(plugin, "alice", "hunter2!");
      assertEquals(outcome.said, said, String(code));
      if (said === LATER) assertMatch(outcome.reasons[0]!, /^directory 127\.0\.0\.1:\d+: /, String(code));
    });
  }
});

Deno.test("StartTLS: no password before TLS, whatever the server says", async () => {
  const table: [string, number[] | null, RegExp][] = [
    ["refused", extendedResponse(2), /refuses StartTLS \(result 2\)$/],
    ["another message", bindResponse(1, 0), /does not answer StartTLS$/],
    ["another id", [0x30, 12, 2, 1, 9, ...extendedResponse(0).slice(5)], /does not answer StartTLS$/],
    ["not LDAP", [...new TextEncoder().encode("220 mx.example.org ESMTP\r\n")], /does not speak LDAP$/],
    ["hangs up", null, /closed the connection$/],
    ["without end", [0x30, 0x84, 0, 1, 0, 0, ...new Array(20_000).fill(4)], /is too long$/],
    ["an absurd length", [0x30, 0x89, 1, 2, 3], /cannot be read$/],
    // What stands in plain text behind the answer would be read as if it had come through TLS
    ["a forged bind behind it", [...extendedResponse(0), ...bindResponse(2, 0)], /plain text behind/],
    ["half a forged bind behind it", [...longResponse, ...bindResponse(2, 0).slice(0, 13)], /plain text behind/],
    ["an octet behind it", [...extendedResponse(0), 0x30], /plain text behind/],
  ];
  for (const [name, answer, reason] of table) {
    await server(() => answer, async (port, sent) => {
      const url = `ldap://127.0.0.1:${port}`;
      const plugin = ldap_auth({ url, dn: DN, identity: null, startTls: true, timeout: "2s" });
      const { said, reasons } = await login(plugin, "alice", "hunter2!");
      assertEquals(said, LATER, name);
      assertMatch(reasons[0]!, reason, name);
      assert(
        !sent.some((octets) => holds(octets, "hunter2!") || holds(octets, "alice")),
        `${name}: sent in plain text`,
      );
    });
  }
  for (const answer of [extendedResponse(0), longResponse]) {
    await server((_, times) => times === 1 ? answer : null, async (port, sent) => {
      const url = `ldap://127.0.0.1:${port}`;
      const plugin = ldap_auth({ url, dn: DN, identity: null, startTls: true, timeout: "2s" });
      assertEquals((await login(plugin, "alice", "hunter2!")).said, LATER);
      assertEquals(sent[1]![0], 22, "what follows the answer is no TLS handshake");
    });
  }
});

Deno.test("rubbish, floods and hanging up are 454 in bounded time", async () => {
  const flood = new Uint8Array(3 * 2 ** 20).fill(0x04);
  flood.set([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]);
  const table: [string, Script][] = [
    ["hangs up", () => null],
    ["not LDAP", () => [...new TextEncoder().encode("* OK IMAP4 ready\r\n")]],
    ["zeros", () => new Uint8Array(1000)],
    ["a message without end", () => flood],
    ["an answer to nobody", () => bindResponse(77, 0)],
    ["a search entry", ([, , , , id]) => [0x30, 9, 2, 1, id!, 0x64, 4, 4, 0, 0x30, 0]],
    ["silence", () => []],
  ];
  for (const [name, script] of table) {
    await server(script, async (port) => {
      const plugin = ldap_auth({ url: `ldap://127.0.0.1:${port}`, dn: DN, identity: null, timeout: "500ms" });
      const started = performance.now();
      assertEquals((await login(plugin, "alice", "hunter2!")).said, LATER, name);
      assert(performance.now() - started < 3000, name);
    });
  }
});

Deno.test("a name or password that no user has never makes a connection", async () => {
  await server(() => null, async (port, sent) => {
    const plugin = ldap_auth({ url: `ldap://127.0.0.1:${port}`, dn: DN });
    for (
      const [user, password] of [["alice", ""], ["", "x"], ["a\0", "x"], ["a\nb", "x"], ["\ud800", "x"], [
        "a".repeat(300),
        "x",
      ]]
    ) {
      assertEquals((await login(plugin, user!, password!)).said, NO);
    }
    assertEquals(sent.length, 0);
  });
});

Deno.test("options: each fault has its path; plain LDAP to elsewhere is told", () => {
  const url = "ldaps://ldap.example.org", search = { base: "dc=example,dc=org" };
  const table: [Parameters<typeof ldap_auth>[0], string, string][] = [
    [{ url }, "ldap_auth.dn", "name either"],
    [{ url, dn: DN, search }, "ldap_auth.dn", "name either"],
    [{ url, dn: "uid=alice,dc=example" }, "ldap_auth.dn", "{user}"],
    [{ url, dn: DN, startTls: true }, "ldap_auth.startTls", "ldap:// only"],
    [{ url, search: { ...search, filter: "(uid=alice)" } }, "ldap_auth.search.filter", "{user}"],
    [{ url, search: { ...search, filter: "(&(uid={user})" } }, "ldap_auth.search.filter", "no filter"],
    [{ url, search: { ...search, bindDn: "cn=x" } }, "ldap_auth.search", "belong together"],
    [{ url, search: { ...search, bindPassword: "secret words" } }, "ldap_auth.search", "belong together"],
    [{ url: "ldap://h/dc=example", dn: DN }, "ldap_auth.url", "must be a URL"],
    [{ url: "https://h", dn: DN }, "ldap_auth.url", "must be a URL"],
    [{ url: "h:389", dn: DN }, "ldap_auth.url", "must be a URL"],
    [{ url, dn: DN, identity: "u*" }, "ldap_auth.identity", "name of an attribute"],
  ];
  for (const [options, path, message] of table) {
    const { issues } = assertThrows(() => ldap_auth(options), OptionsError, message);
    assertEquals(issues[0]!.path.join("."), path);
    assert(!issues[0]!.message.includes("secret words"));
  }
  const warned = (options: Parameters<typeof ldap_auth>[0]) => {
    const troubles: string[] = [];
    ldap_auth.parse(options, [], { trouble: (message) => void troubles.push(message) });
    return troubles.length;
  };
  assertEquals(warned({ url: "ldap://ldap.example.org", dn: DN }), 1);
  assertEquals(warned({ url: "ldap://ldap.example.org", dn: DN, startTls: true }), 0);
  assertEquals(warned({ url: "ldap://[::1]:1389", dn: DN }), 0);
  assertEquals(warned({ url, search }), 0);
});
