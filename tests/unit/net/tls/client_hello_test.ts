/** The server name in a ClientHello, however it is cut, and in octets that are none. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { LONGEST_HELLO, serverNameOf } from "../../../../core/net/tls/client_hello.ts";
import { testWith } from "../../../support/debian.ts";

const u16 = (value: number) => [value >> 8 & 255, value & 255];
const ascii = (text: string) => [...new TextEncoder().encode(text)];
const extension = (type: number, body: readonly number[]) => [...u16(type), ...u16(body.length), ...body];
const nameList = (name: readonly number[], type = 0) => [...u16(name.length + 3), type, ...u16(name.length), ...name];

interface Parts {
  readonly session?: readonly number[];
  readonly extensions?: readonly number[];
  readonly record?: number;
}
function hello({ session = new Array(32).fill(1), extensions = [], record = 16384 }: Parts): Uint8Array {
  // deno-fmt-ignore
  const body = [3, 3, ...new Array(32).fill(9), session.length, ...session, ...u16(4), 0x13, 1, 0x13, 2, 1, 0,
    ...u16(extensions.length), ...extensions];
  const message = [1, ...u16(body.length >> 8).slice(1), ...u16(body.length), ...body];
  const out: number[] = [];
  for (let at = 0; at < message.length; at += record) {
    const part = message.slice(at, at + record);
    out.push(22, 3, 1, ...u16(part.length), ...part);
  }
  return Uint8Array.from(out);
}
const named = (
  name: string,
) => [...extension(23, []), ...extension(0, nameList(ascii(name))), ...extension(10, [0, 0])];

Deno.test("the name is found behind any session id, in any records, and not before all is there", () => {
  for (const session of [[], [5], new Array(32).fill(7)]) {
    for (const record of [3, 5, 50, 16384]) {
      const octets = hello({ session, record, extensions: named("Mail.B.Example") });
      assertEquals(serverNameOf(octets), "mail.b.example");
      for (let length = 0; length < octets.length; length++) {
        assertEquals(serverNameOf(octets.subarray(0, length)), undefined, `${length} of ${octets.length}`);
      }
    }
  }
});

Deno.test("case 45: a hello cut into more records than anybody needs gets the default, and is not read over and over", () => {
  assertEquals(serverNameOf(hello({ session: [], record: 1, extensions: named("mail.b.example") })), null);
});

Deno.test("no name, or one that is no name: the default", () => {
  const cases: Record<string, readonly number[]> = {
    "no extensions": [],
    "others only": extension(23, []),
    "empty": extension(0, nameList([])),
    "an empty list": extension(0, [0, 0]),
    "another type": extension(0, nameList(ascii("a.example"), 1)),
    "two names": extension(0, [0, 8, 0, 0, 1, 97, 0, 0, 1, 98]),
    "a list that is longer than it is": extension(0, [0, 99, 0, 0, 1, 97]),
    "a name that is longer than the list": extension(0, [0, 4, 0, 0, 9, 97]),
    "an extension that is longer than all": [0, 0, 0xff, 0xff, 0, 4, 0, 0, 1, 97],
    "NUL": extension(0, nameList(ascii("a\0.example"))),
    "backslash": extension(0, nameList(ascii("a\\.example"))),
    "slash": extension(0, nameList(ascii("../../etc/passwd"))),
    "UTF-8": extension(0, nameList(ascii("bü.example"))),
    "4 KB": extension(0, nameList(ascii("x".repeat(4096)))),
  };
  for (const [name, extensions] of Object.entries(cases)) assertEquals(serverNameOf(hello({ extensions })), null, name);
});

Deno.test("what is no ClientHello is known at once", () => {
  for (const text of ["GET / HTTP/1.1\r\n", "EHLO x\r\n", "\x80\x2e\x01\x00\x02", "\x15\x03\x01\x00\x02\x02\x28"]) {
    assertEquals(serverNameOf(Uint8Array.from(text, (each) => each.charCodeAt(0))), null, text);
  }
  assertEquals(serverNameOf(Uint8Array.of(22, 3, 1, 0, 4, 2, 0, 0, 0)), null); // a ServerHello
  assertEquals(serverNameOf(Uint8Array.of(22, 3, 1, 0, 0)), null); // an empty record (RFC 8446 5.1)
  assertEquals(serverNameOf(Uint8Array.of(22, 3, 1, 0xff, 0xff, 1)), null);
  assertEquals(serverNameOf(Uint8Array.of(22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff)), null); // 16 MB
});

Deno.test("any octets get an answer, and never more are asked for than a hello has", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => {
    const name = serverNameOf(octets);
    assert(name === undefined || name === null || /^[a-z0-9._-]{1,255}$/.test(name));
  }));
  const good = hello({ extensions: named("a.example") });
  const changes = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 3 });
  fc.assert(
    fc.property(changes, (each) => {
      const octets = good.slice();
      for (const [at, value] of each) octets[at] = value;
      serverNameOf(octets);
    }),
    { numRuns: 2000 },
  );
  const endless = hello({ extensions: new Array(0xffff).fill(0), record: 16384 });
  assert(endless.length < LONGEST_HELLO);
});

testWith(["openssl"], "the hello of a real client", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const client = new Deno.Command("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${listener.addr.port}`, "-servername", "real.example"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const conn = await listener.accept();
  const buffer = new Uint8Array(65536);
  let length = 0, name: string | null | undefined;
  while ((name = serverNameOf(buffer.subarray(0, length))) === undefined) {
    length += await conn.read(buffer.subarray(length)) ?? 0;
  }
  conn.close();
  listener.close();
  await client.status;
  assertEquals(name, "real.example");
});
