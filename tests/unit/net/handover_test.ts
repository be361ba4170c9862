/** What a service manager says it hands over. That sockets are taken and served: tests/e2e/operations_privilege_test.ts. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { closeSync, openSync } from "node:fs";
import { handedSockets, Handover } from "../../../core/net/handover.ts";
import { ListenError } from "../../../core/net/listener.ts";

const PID = 4711;

Deno.test("descriptors begin at 3, with the names that there are", () => {
  const table: [env: Record<string, string>, sockets: [fd: number, name: string][]][] = [
    [{}, []],
    [{ LISTEN_PID: "4711", LISTEN_FDS: "2", LISTEN_FDNAMES: "smtp:submission" }, [[3, "smtp"], [4, "submission"]]],
    [{ LISTEN_PID: "4711", LISTEN_FDS: "2", LISTEN_FDNAMES: "smtp" }, [[3, "smtp"], [4, ""]]],
    [{ LISTEN_PID: "4711", LISTEN_FDS: "1" }, [[3, ""]]],
    [{ LISTEN_PID: "4711", LISTEN_FDS: "0" }, []],
    // For the parent, or for nobody
    [{ LISTEN_PID: "4710", LISTEN_FDS: "1" }, []],
    [{ LISTEN_FDS: "1" }, []],
    // No number of descriptors
    [{ LISTEN_PID: "4711" }, []],
    [{ LISTEN_PID: "4711", LISTEN_FDS: "-1" }, []],
    [{ LISTEN_PID: "4711", LISTEN_FDS: "1e9" }, []],
    [{ LISTEN_PID: "4711", LISTEN_FDS: "99999999999" }, []],
  ];
  for (const [env, sockets] of table) {
    assertEquals(handedSockets(env, PID), sockets.map(([fd, name]) => ({ fd, name })), JSON.stringify(env));
  }
});

Deno.test("a descriptor that is no socket is an error that names it", () => {
  const fd = openSync(new URL(import.meta.url), "r");
  try {
    const { message } = assertThrows(() => new Handover([{ fd, name: "smtp" }]), ListenError);
    assertMatch(message, new RegExp(`^descriptor ${fd} \\(smtp\\), handed over at start, is no TCP socket`));
  } finally {
    closeSync(fd);
  }
});

Deno.test("nothing handed over: nothing to take, nothing left", () => {
  const handover = new Handover([]);
  assertEquals(handover.take("smtp", { host: "127.0.0.1", port: 25 }), null);
  assertEquals(handover.close(), []);
});
