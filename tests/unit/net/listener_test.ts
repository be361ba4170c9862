/** A listening socket: counts, refuses, drains, takes over a dead socket file, says what is wrong with an address. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { Socket } from "node:net";
import { Networks } from "../../../core/model/ip.ts";
import { ConnectionLimits } from "../../../core/net/limits.ts";
import { type Connection, type ListenAddress, Listener, ListenError } from "../../../core/net/listener.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor, within } from "../../support/wait.ts";

/** Says hello, and hangs up when told to drain, or never. */
class Talk implements Connection {
  drained = 0;
  destroyed: string | null = null;
  constructor(readonly socket: Socket, readonly ip: string, readonly stubborn: boolean) {
    socket.on("error", () => {});
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
    options: { address?: ListenAddress; connections?: number; perIp?: number; stubborn?: boolean } = {},
  ) {
    const { connections = 10, perIp = 10, stubborn = false, address = { host: "127.0.0.1", port: 0 } } = options;
    const place = new Place(new ConnectionLimits({ connections, perIp, exempt: new Networks([]) }), stubborn);
    place.listener = await Listener.open({
      address,
      limits: place.limits,
      accept: (socket, { ip }) => {
        const talk = new Talk(socket, ip, stubborn);
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
  assertEquals([place.listener.connections, place.limits.total, place.talks[0]!.ip], [1, 1, "127.0.0.1"]);
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
