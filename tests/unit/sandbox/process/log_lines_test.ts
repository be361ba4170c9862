/** What a child prints: cut, without control characters, and no flood of it. */
import { assert, assertEquals } from "@std/assert";
import { LogLines } from "../../../../core/sandbox/process/log_lines.ts";

function lines(write: (log: LogLines, clock: { now: number }) => void): string[] {
  const told: string[] = [], clock = { now: 0 };
  const log = new LogLines({ told: (line) => void told.push(line), now: () => clock.now });
  write(log, clock);
  log.end();
  return told;
}
const octets = (text: string) => new TextEncoder().encode(text);

Deno.test("lines come together from pieces, and lose what would move a terminal", () => {
  const told = lines((log) => {
    for (const octet of octets("ü one\nt\x1b[2Jwo\r\n\n\u202ethree")) log.write(new Uint8Array([octet]));
  });
  assertEquals(told, ["ü one", "t\\u001b[2Jwo", "\\u202ethree"]);
});

Deno.test("a line without an end is cut and not kept", () => {
  const told = lines((log) => {
    for (let n = 0; n < 1_000; n++) log.write(octets("x".repeat(10_000)));
    log.write(octets("\nnext\n"));
  });
  assertEquals(told, [`${"x".repeat(1_000)}...`, "next"]);
});

Deno.test("a flood is counted, and who prints again later is heard again", () => {
  const told = lines((log, clock) => {
    log.write(octets("flood\n".repeat(100_000)));
    clock.now = 60_000;
    log.write(octets("later\n"));
  });
  assertEquals(told.filter((each) => each === "flood").length, 20);
  assertEquals(told.slice(20), ["(99980 more lines are left out)", "later"]);
  assert(told.length === 22);
});
