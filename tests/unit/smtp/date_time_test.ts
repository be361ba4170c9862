/** RFC 3339 5.6 moments. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatDateTime, parseDateTime } from "../../../core/smtp/date_time.ts";

Deno.test("RFC 3339 5.8: its examples, leap second and all", () => {
  const rows: [text: string, iso: string][] = [
    ["1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520Z"],
    ["1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57.000Z"],
    ["1990-12-31T23:59:60Z", "1991-01-01T00:00:00.000Z"],
    ["1990-12-31T15:59:60-08:00", "1991-01-01T00:00:00.000Z"],
    ["1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870Z"],
    ["2024-02-29t00:00:00z", "2024-02-29T00:00:00.000Z"],
    ["0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"],
    ["2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123Z"],
  ];
  for (const [text, iso] of rows) assertEquals(new Date(parseDateTime(text)!).toISOString(), iso, text);
});

Deno.test("what is no moment is none", () => {
  const rows = [
    ...["", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "20260101T000000Z", "2026-1-1T00:00:00Z"],
    ...["2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z"],
    ...["2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z"],
    ...["2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00Zx"],
    ...["+002026-01-01T00:00:00Z", "2026-01-01T00:00:00.1234567890Z", "\uff12026-01-01T00:00:00Z"],
  ];
  for (const text of rows) assertEquals(parseDateTime(text), null, text);
});

Deno.test("what was written is read, in any zone", () => {
  const moment = fc.date({ min: new Date("0001-01-02"), max: new Date("9999-12-30"), noInvalidDate: true });
  fc.assert(fc.property(moment, fc.integer({ min: -23 * 60, max: 23 * 60 }), (date, offset) => {
    const seconds = Math.floor(date.getTime() / 1000) * 1000;
    assertEquals(parseDateTime(formatDateTime(seconds)), seconds);
    const local = new Date(seconds + offset * 60_000).toISOString().slice(0, 19);
    const zone = [Math.trunc(Math.abs(offset) / 60), Math.abs(offset) % 60].map((n) => String(n).padStart(2, "0"));
    assertEquals(parseDateTime(`${local}${offset < 0 ? "-" : "+"}${zone.join(":")}`), seconds);
  }));
});
