/** A listening socket: counts, refuses, drains, takes over a dead socket file, says what is wrong with an address. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { Socket } from "node:net";
import { Networks } from "../../../core/model/ip.ts";
import type { ListenAddress } from "../../../core/net/listen_address.ts";
import { ConnectionLimits } from "../../../core/net/limits.ts";
import { type Connection, Listener, type ListenerOptions, ListenError, type Peer } from "../../../core/net/listener.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor, within } from "../../support/wait.ts";

/** Says hello, and hangs up when told to drain, or never. */
class Talk implements Connection {
  drained = 0;
  destroyed: string | null = null;
  heard = "";
  constructor(readonly socket: Socket, readonly peer: Peer, readonly stubborn: boolean) {
    socket.on("error", () => {});
    socket.on("data", (octets) => this.heard += octets.toString("latin1"));
    socket.on("end", () => socket.end());
    socket.write("220 hello\r\n");
  }
  drain(): void {
    this.drained++;
    if (!this.stubborn) this.socket.end("421 bye\r\n");
  }
  destroy(reason: string): void {
    this.destroyed = reason;
    this.socket.destroy();
  }
}

class Place implements AsyncDisposable {
  readonly talks: Talk[] = [];
  readonly troubles: string[] = [];
  readonly refused: string[] = [];
  private constructor(readonly limits: ConnectionLimits, readonly stubborn: boolean) {}
  listener!: Listener;

  static async open(
    options: Partial<Pick<ListenerOptions, "address" | "mode" | "proxies" | "headerTimeout">> & {
      connections?: number;
      perIp?: number;
      stubborn?: boolean;
    } = {},
  ) {
    const { connections = 10, perIp = 10, stubborn = false, address = { host: "127.0.0.1", port: 0 }, ...rest } =
      options;
    const place = new Place(new ConnectionLimits({ connections, perIp, exempt: new Networks([]) }), stubborn);
    place.listener = await Listener.open({
      ...rest,
      address,
      limits: place.limits,
      accept: (socket, peer) => {
        const talk = new Talk(socket, peer, stubborn);
        place.talks.push(talk);
        return talk;
      },
      refusal: (why, ip) => {
        place.refused.push(`${why} ${ip}`);
        return `421 4.7.0 ${why}\r\n`;
      },
      trouble: (message) => void place.troubles.push(message),
    });
    return place;
  }
  get port(): number {
    return Number(this.listener.address.split(":").at(-1));
  }
  async connect(): Promise<Deno.Conn> {
    return await Deno.connect({ hostname: "127.0.0.1", port: this.port });
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.drain(0);
  }
}

/** All that the other side says until it ends the connection. */
async function heard(conn: Deno.Conn, until = "\0"): Promise<string> {
  const chunk = new Uint8Array(1000);
  let text = "";
  for (let count: number | null; !text.includes(until);) {
    try {
      count = await within("the other side", conn.read(chunk), 5000);
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset) break;
      throw error;
    }
    if (count === null) break;
    text += new TextDecoder().decode(chunk.subarray(0, count));
  }
  return text;
}

Deno.test("its address is known, connections are handed on with the peer's address, and counted till they close", async () => {
  await using place = await Place.open();
  assertMatch(place.listener.address, /^127\.0\.0\.1:\d+$/);
  using one = await place.connect();
  assertEquals(await heard(one, "hello\r\n"), "220 hello\r\n");
  assertEquals([place.listener.connections, place.limits.total, place.talks[0]!.peer.ip], [1, 1, "127.0.0.1"]);
  await one.closeWrite();
  assertEquals(await heard(one), "");
  await waitFor("its place to be free", () => place.listener.connections === 0 && place.limits.total === 0);
});

Deno.test("case 36: one more than the share, or than all: told so and closed, never handed on", async () => {
  for (const [limit, why] of [[{ perIp: 1 }, "share"], [{ connections: 1 }, "full"]] as const) {
    await using place = await Place.open(limit);
    using one = await place.connect();
    await heard(one, "hello\r\n");
    using two = await place.connect();
    assertEquals(await heard(two), `421 4.7.0 ${why}\r\n`);
    assertEquals(place.refused, [`${why} 127.0.0.1`]);
    await one.closeWrite();
    await heard(one);
    await waitFor("the place to be free", () => place.limits.total === 0);
    using three = await place.connect();
    assertEquals(await heard(three, "hello\r\n"), "220 hello\r\n");
    assertEquals(place.talks.length, 2);
  }
});

Deno.test("case 78: drain tells each connection, takes none, and ends with the last one", async () => {
  await using place = await Place.open();
  const conns = await Promise.all([place.connect(), place.connect()]);
  try {
    for (const each of conns) await heard(each, "hello\r\n");
    const started = performance.now();
    const ended = place.listener.drain(30_000);
    assertEquals(place.talks.map(({ drained }) => drained), [1, 1]);
    await assertRejects(() => place.connect(), Deno.errors.ConnectionRefused);
    for (const each of conns) {
      assertEquals(await heard(each), "421 bye\r\n");
      await each.closeWrite();
    }
    await ended;
    assert(performance.now() - started < 5000);
    assertEquals(place.talks.map(({ destroyed }) => destroyed), [null, null]);
  } finally {
    for (const each of conns) each.close();
  }
});

Deno.test("case 78: who does not go is cut when the time is over", async () => {
  await using place = await Place.open({ stubborn: true });
  using one = await place.connect();
  await heard(one, "hello\r\n");
  const started = performance.now();
  await place.listener.drain(100);
  const took = performance.now() - started;
  assert(took >= 90 && took < 3000, `${took} ms`);
  assertEquals(place.talks[0]!.destroyed, "drain is over");
  assertEquals(await heard(one), "");
});

Deno.test("an address that cannot be had: one sentence that says what to do", async () => {
  await using place = await Place.open();
  const rows: [address: ListenAddress, says: RegExp][] = [
    [{ host: "127.0.0.1", port: place.port }, /^127\.0\.0\.1:\d+ is in use: stop the other server, or give/],
    [{ host: "192.0.2.1", port: 2525 }, /^192\.0\.2\.1:2525 is no address of this machine$/],
    [{ path: "/nonexistent/folder/lmtp.sock" }, /^(cannot listen on )?unix:\/nonexistent\/folder\/lmtp\.sock/],
  ];
  for (const [address, says] of rows) {
    const error = await assertRejects(() => Place.open({ address }), ListenError);
    assertMatch(error.message, says);
    assert(!error.message.includes("\n"));
  }
});

Deno.test("a socket file is made, goes with the listener, and is taken over when its owner was killed", async () => {
  await using folder = await TempFolder.make();
  const path = folder.at("lmtp.sock");
  {
    await using place = await Place.open({ address: { path } });
    assertEquals(place.listener.address, `unix:${path}`);
    using conn = await Deno.connect({ transport: "unix", path });
    assertEquals(await heard(conn, "hello\r\n"), "220 hello\r\n");
    const error = await assertRejects(() => Place.open({ address: { path } }), ListenError);
    assertMatch(error.message, /lmtp\.sock is in use/);
    await conn.closeWrite();
    await heard(conn);
  }
  assertEquals(await Deno.lstat(path).then(() => "there", () => "gone"), "gone");
  const owner = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `Deno.listen({ transport: "unix", path: ${JSON.stringify(path)} }); console.log("on"); setTimeout(() => {}, 1e6)`,
    ],
    stdout: "piped",
  }).spawn();
  const reader = owner.stdout.getReader();
  await reader.read();
  owner.kill("SIGKILL");
  await owner.status;
  await reader.cancel();
  assert((await Deno.lstat(path)).isSocket);
  await using place = await Place.open({ address: { path } });
  using conn = await Deno.connect({ transport: "unix", path });
  assertEquals(await heard(conn, "hello\r\n"), "220 hello\r\n");
  assertEquals(place.talks.length, 1);
});

Deno.test("a file that is no socket is left alone", async () => {
  await using folder = await TempFolder.make();
  const path = await folder.file("notes", "somebody's");
  await assertRejects(() => Place.open({ address: { path } }), ListenError, "is in use");
  assertEquals(await Deno.readTextFile(path), "somebody's");
});

Deno.test("a socket file has the permissions that were asked for", async () => {
  await using folder = await TempFolder.make();
  for (const mode of [0o600, 0o660, 0o666]) {
    await using _ = await Place.open({ address: { path: folder.at("lmtp.sock") }, mode });
    assertEquals((await Deno.lstat(folder.at("lmtp.sock"))).mode! & 0o777, mode);
  }
});

// ---- Behind a proxy ----------------------------------------------------------------------------------------------------

const proxies = new Networks(["127.0.0.1"]);
const utf8 = new TextEncoder();
const CLIENT = "PROXY TCP4 203.0.113.5 192.0.2.1 56789 25\r\n";

Deno.test("the proxy says who is there, in any cut, and what comes behind its header is the client's", async () => {
  await using place = await Place.open({ proxies });
  for (
    const pieces of [[`${CLIENT}EHLO x\r\n`], [CLIENT, "EHLO x\r\n"], [
      CLIENT.slice(0, 9),
      `${CLIENT.slice(9)}EHLO`,
      " x\r\n",
    ]]
  ) {
    const before = place.talks.length;
    using conn = await place.connect();
    for (const piece of pieces) await conn.write(utf8.encode(piece));
    assertEquals(await heard(conn, "hello\r\n"), "220 hello\r\n");
    const talk = place.talks[before]!;
    await waitFor("the command", () => talk.heard === "EHLO x\r\n");
    const { ip, port, proxied } = talk.peer;
    assertEquals([ip, port, proxied?.destination], ["203.0.113.5", 56789, { ip: "192.0.2.1", port: 25 }]);
    await conn.closeWrite();
    await heard(conn);
  }
  await waitFor("all places to be free", () => place.limits.total === 0 && place.listener.connections === 0);
  assertEquals(place.troubles, []);
});

Deno.test("case 36: behind a proxy each client has its own share, and the proxy has none", async () => {
  await using place = await Place.open({ proxies, perIp: 1 });
  const from = async (header: string) => {
    const conn = await place.connect();
    await conn.write(utf8.encode(header));
    return { conn, says: await heard(conn, "\r\n") };
  };
  const all = [await from(CLIENT), await from(CLIENT.replace("113.5", "113.6")), await from(CLIENT)];
  try {
    assertEquals(all.map(({ says }) => says), ["220 hello\r\n", "220 hello\r\n", "421 4.7.0 share\r\n"]);
    assertEquals(place.refused, ["share 203.0.113.5"]);
    assertEquals(place.limits.total, 2);
  } finally {
    for (const { conn } of all) conn.close();
  }
  await waitFor("all places to be free", () => place.limits.total === 0);
});

Deno.test("a proxy that waits takes a place of all, and gives it back", async () => {
  await using place = await Place.open({ proxies, connections: 1 });
  using one = await place.connect();
  await waitFor("its place", () => place.limits.total === 1);
  using two = await place.connect();
  assertEquals(await heard(two), "421 4.7.0 full\r\n");
  await one.write(utf8.encode(CLIENT));
  assertEquals(await heard(one, "hello\r\n"), "220 hello\r\n");
  assertEquals(place.limits.total, 1);
});

Deno.test("a proxy that speaks for itself is who is there", async () => {
  await using place = await Place.open({ proxies });
  using conn = await place.connect();
  await conn.write(utf8.encode("PROXY UNKNOWN\r\n"));
  assertEquals(await heard(conn, "hello\r\n"), "220 hello\r\n");
  assertEquals(place.talks[0]!.peer.ip, "127.0.0.1");
  assertEquals(place.talks[0]!.peer.port, (conn.localAddr as Deno.NetAddr).port);
});

Deno.test("no header, half of one, or another: closed without a word, and one line for the log", async () => {
  await using place = await Place.open({ proxies, headerTimeout: 100 });
  const rows: [says: string, leaves: boolean, trouble: RegExp | null][] = [
    ["EHLO x\r\n", false, /^PROXY header of 127\.0\.0\.1: no PROXY header$/],
    ["PROXY TCP4 1.2.3.4\r\n", false, /: TCP4 takes two such addresses and two ports$/],
    ["", false, /: no whole header within 100 ms$/],
    ["PROXY TCP4 1.2.3.4", false, /: no whole header within 100 ms$/],
    ["PROXY TCP4 1.2.3.4", true, /: it left in the middle of the header$/],
    ["", true, null], // a health check that only looks whether somebody answers
  ];
  for (const [says, leaves, trouble] of rows) {
    place.troubles.length = 0;
    using conn = await place.connect();
    if (says !== "") await conn.write(utf8.encode(says));
    if (leaves) await conn.closeWrite();
    assertEquals(await heard(conn), "", says);
    await waitFor("its place to be free", () => place.limits.total === 0);
    assertEquals(place.troubles.length, trouble === null ? 0 : 1, says);
    if (trouble !== null) assertMatch(place.troubles[0]!, trouble);
  }
  assertEquals(place.talks, []);
});

Deno.test("nobody but a trusted proxy is asked for a header, or believed one", async () => {
  await using place = await Place.open({ proxies: new Networks(["192.0.2.0/24"]) });
  using conn = await place.connect();
  assertEquals(await heard(conn, "hello\r\n"), "220 hello\r\n");
  await conn.write(utf8.encode(CLIENT));
  await waitFor("its line", () => place.talks[0]!.heard === CLIENT);
  assertEquals([place.talks[0]!.peer.ip, place.talks[0]!.peer.proxied], ["127.0.0.1", null]);
});

Deno.test("case 78: drain does not wait for proxies that have said nothing yet", async () => {
  await using place = await Place.open({ proxies });
  using conn = await place.connect();
  await waitFor("its place", () => place.limits.total === 1);
  const started = performance.now();
  await place.listener.drain(30_000);
  assert(performance.now() - started < 5000);
  assertEquals(await heard(conn), "");
  assertEquals(place.troubles, []);
});
