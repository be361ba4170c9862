import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseDate } from "../../../../../plugins/content/headers/date.ts";

Deno.test("a Date field names a moment", () => {
  const table: [text: string, moment: string | null][] = [
    ["Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T15:55:06Z"],
    ["21 Nov 1997 09:55 +0130", "1997-11-21T08:25:00Z"],
    ["Fri, 21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06Z"],
    ["21 Nov 26 09:55:06 EST", "2026-11-21T14:55:06Z"],
    ["21 nov 126 09:55:06 z", "2026-11-21T09:55:06Z"],
    ["Thu,\r\n 13 (the (un)lucky)\r\n Feb 1969 23:32 -0330 (Newfoundland Time)", "1969-02-14T03:02:00Z"],
    ["31 Dec 2016 23:59:60 +0000", "2017-01-01T00:00:00Z"], // a leap second
    ["29 Feb 2024 00:00:00 +0000", "2024-02-29T00:00:00Z"],
    ["29 Feb 2023 00:00:00 +0000", null],
    ["31 Jun 2024 00:00:00 +0000", null],
    ["0 Jun 2024 00:00:00 +0000", null],
    ["1 Jux 2024 00:00:00 +0000", null],
    ["1 Jun 2024 24:00:00 +0000", null],
    ["1 Jun 2024 00:60:00 +0000", null],
    ["1 Jun 2024 00:00:00", null],
    ["2024-06-01T00:00:00Z", null],
    ["yesterday", null],
    ["", null],
    ["(".repeat(100_000), null],
  ];
  for (const [text, moment] of table) {
    assertEquals(parseDate(text), moment === null ? null : Date.parse(moment), text.slice(0, 60));
  }
});

Deno.test("property: what toUTCString writes is read back", () => {
  const date = fc.date({ min: new Date("1970-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
  fc.assert(fc.property(date, (moment) => {
    assertEquals(parseDate(moment.toUTCString()), Math.floor(moment.getTime() / 1000) * 1000);
  }));
});
