/** Packets in any cut, their fields, and what is no packet. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { encodePacket, Fields, LONGEST_PACKET, PacketReader } from "../../../../../plugins/content/milter/packets.ts";
import { MilterError } from "../../../../../plugins/content/milter/protocol.ts";
import { octets } from "../../../../support/bytes.ts";
import { packet, uint32 } from "../../../../support/fake_milter.ts";

Deno.test("what is written, part by part", () => {
  const rows: [Parameters<typeof encodePacket>, string][] = [
    [["Q"], "\0\0\0\x01Q"],
    [["H", ["mx"]], "\0\0\0\x04Hmx\0"],
    [["H", ["grüße"]], "\0\0\0\x09Hgr\xc3\xbc\xc3\x9fe\0"],
    [["H", ["a\0evil"]], "\0\0\0\x08Ha evil\0"],
    [["C", ["x", octets("4"), { uint16: 0x1234 }, "192.0.2.1"]], "\0\0\0\x10Cx\x004\x12\x34192.0.2.1\0"],
    [["O", [{ uint32: 6 }, { uint32: 0xfffffffe }]], "\0\0\0\x09O\0\0\0\x06\xff\xff\xff\xfe"],
  ];
  for (const [[letter, parts], expected] of rows) assertEquals(encodePacket(letter, parts), octets(expected));
});

Deno.test("packets are read in any cut", () => {
  const sent = [["c", ""], ["y", "550 No\0"], ["b", "x".repeat(3000)], ["p", ""]] as const;
  const wire = octets(sent.map(([letter, data]) => String.fromCharCode(...packet(letter, data))).join(""));
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1 }), (sizes) => {
    const reader = new PacketReader(), got: string[][] = [];
    for (let at = 0, turn = 0; at < wire.length; turn++) {
      const size = sizes[turn % sizes.length]!;
      for (const { letter, data } of reader.read(wire.subarray(at, at + size))) {
        got.push([letter, String.fromCharCode(...data)]);
      }
      at += size;
    }
    assertEquals(got, sent.map((each) => [...each]));
    assert(!reader.within);
  }));
});

Deno.test("a length that is none ends it before memory is taken for it", () => {
  for (const size of [0, LONGEST_PACKET + 1, 0x80000000, 0xffffffff, 0x48545450]) {
    assertThrows(() => [...new PacketReader().read(octets(uint32(size)))], MilterError, `${size} octets`);
  }
  assertEquals([...new PacketReader().read(octets(uint32(LONGEST_PACKET)))], []);
});

Deno.test("fields: numbers and texts, and a packet that ends within one", () => {
  const fields = new Fields(octets(`${uint32(0xfffffffe)}a\xc3\xbc\0\xfc\0rest`));
  assertEquals([fields.uint32(), fields.text(), fields.text()], [0xfffffffe, "aü", "ü"]);
  assertThrows(() => fields.end(), MilterError, "goes on");
  assertEquals(fields.rest(), octets("rest"));
  fields.end();
  assertThrows(() => new Fields(octets("abc")).uint32(), MilterError, "within a number");
  assertThrows(() => new Fields(octets("abc")).text(), MilterError, "within a text");
  assertThrows(() => new Fields(octets("")).text(), MilterError, "within a text");
});
