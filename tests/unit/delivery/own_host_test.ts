/** What counts as this host, by where it listens. */
import { assertEquals } from "@std/assert";
import { ownHost } from "../../../core/delivery/own_host.ts";

const INTERFACES = ["127.0.0.1", "192.0.2.25", "2001:db8::25", "fe80::1"];

Deno.test("case 60: this host is every address that mail is taken on, all of the machine's where it is taken on all", () => {
  const asked = ["127.0.0.1", "127.0.0.9", "::1", "0.0.0.0", "192.0.2.25", "192.0.2.26", "2001:db8::25"];
  const table: readonly [host: string, listens: number, port: number, own: string][] = [
    ["0.0.0.0", 25, 25, "127.0.0.1 127.0.0.9 ::1 0.0.0.0 192.0.2.25"],
    ["::", 25, 25, "127.0.0.1 127.0.0.9 ::1 0.0.0.0 192.0.2.25 2001:db8::25"],
    ["192.0.2.26", 25, 25, "127.0.0.1 127.0.0.9 ::1 0.0.0.0 192.0.2.26"],
    ["0.0.0.0", 587, 25, "127.0.0.1 127.0.0.9 ::1 0.0.0.0"],
    ["127.0.0.9", 2525, 2525, "127.0.0.9"],
    ["0.0.0.0", 2525, 2525, "127.0.0.1 0.0.0.0 192.0.2.25"],
    ["127.0.0.1", 2525, 2626, ""],
  ];
  for (const [host, listens, port, expected] of table) {
    const own = ownHost({
      hostname: "MX.example.org",
      listeners: [{ host, port: listens }],
      port,
      interfaces: () => INTERFACES,
    });
    assertEquals(asked.filter((ip) => own.addresses.has(ip)).join(" "), expected, `${host}:${listens} for ${port}`);
    assertEquals(own.names.has("mx.example.org"), true);
  }
});
