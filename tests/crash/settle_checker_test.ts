/** The checker of the way out must be able to fail: hand-made traces with one fault each, and the same without it. */
import { assertEquals, assertMatch } from "@std/assert";
import { judgeSettling, refusedWords, takenWords } from "./settle_order.ts";
import { parseTrace } from "./trace.ts";

const ID = "01JDQW3Z7YB2C4D5E6F7G8H9JK", NAME = "crash-7-3-300000", GONE = `no-${NAME}@remote.example`;
const WAL = "9</d/p.db-wal>", OUT = "20<TCP:[127.0.0.1:40000->127.0.0.1:2525]>";

const header = (commits: boolean) =>
  String.raw`pwrite64(${WAL}, "\0\0\0\3\0\0\0${
    commits ? String.raw`\3` : String.raw`\0`
  }\1\2\3\4\5\6\7\10\0\0\0\0\0\0\0\0", 24, 4152) = 24`;
const page = (text: string) => `pwrite64(${WAL}, "\\r\\0${text}\\n", 4096, 56) = 4096`;
/** One transaction of these pages, the last of which is empty. */
const transaction = (
  ...texts: string[]
) => [...texts.flatMap((text) => [header(false), page(text)]), header(true), page("")];
const SYNC = `fsync(${WAL}) = 0`;
const heard = (words: string) => `recvfrom(${OUT}, "${words}\\r\\n", 65536, 0, NULL, NULL) = 40`;

const ROW = `failed${refusedWords(GONE)}`;
const REPORT = `Final-Recipient: rfc822; ${GONE}\\r\\nDiagnostic-Code: smtp; ${refusedWords(GONE)}\\r\\n`;
const REMOVED = `unlink("/d/spool/${ID}.0") = 0`;
const LOGGED = `write(1<pipe:[7]>, "2026 info delivered id=${ID} from=<a@b.example>\\n", 60) = 60`;
const SENT = `sendto(${OUT}, "${REPORT}", 99, MSG_NOSIGNAL, NULL, 0) = 99`;

/** The next hop refused one, and took it later for the other. */
const FIRST = [heard(refusedWords(GONE)), ...transaction(ROW, REPORT), SYNC, SENT];
const SECOND = [heard(takenWords(NAME)), ...transaction("gone"), SYNC, REMOVED, LOGGED];
const GOOD = [...FIRST, ...SECOND];

function judge(lines: readonly string[]) {
  const text = lines.map((line, at) => `100 1795376293.${100000 + at} ${line}\n`).join("");
  return judgeSettling(parseTrace(text), { names: new Map([[ID, NAME]]), refused: [GONE], roots: ["/d"] });
}
const without = (line: string, nth = 0) => {
  const at = GOOD.flatMap((each, at) => each === line ? [at] : [])[nth]!;
  return GOOD.toSpliced(at, 1);
};
const before = (line: string, other: string, last = false) => {
  const rest = without(line);
  return rest.toSpliced(last ? rest.lastIndexOf(other) : rest.indexOf(other), 0, line);
};

Deno.test("checker of the way out: passes the right order", () => {
  assertEquals(judge(GOOD), { bodies: 1, told: 1, reports: 1, ends: 1, violations: [] });
});

Deno.test("checker of the way out: finds each fault", () => {
  const cases: [why: string, lines: readonly string[], violations: readonly RegExp[]][] = [
    ["removed before the answer", before(REMOVED, heard(takenWords(NAME))), [
      /its body is removed before the next hop/,
    ]],
    ["removed before the sync", before(REMOVED, SYNC, true), [/body is removed before it is durable/]],
    ["logged before the answer", before(LOGGED, heard(takenWords(NAME))), [/the log has it before the next hop/]],
    ["what came of it is never synced", without(SYNC, 1), [
      /body is removed before it is durable/,
      /log has it before it is durable/,
    ]],
    [
      "the sync failed",
      GOOD.with(GOOD.lastIndexOf(SYNC), `fsync(${WAL}) = -1 EIO (Input/output error)`),
      [/body is removed before it is durable/, /log has it before it is durable/],
    ],
    [
      "the transaction was begun before the answer",
      [...FIRST, ...transaction("gone"), heard(takenWords(NAME)), SYNC, REMOVED],
      [/body is removed before it is durable/],
    ],
    [
      "the answer to another message",
      GOOD.with(GOOD.indexOf(heard(takenWords(NAME))), heard(takenWords(`${NAME}0`))),
      [/body is removed before the next hop/, /log has it before the next hop/],
    ],
    ["the report goes out before its sync", before(SENT, SYNC), [/the report goes out/]],
    [
      "the report comes in another transaction",
      [FIRST[0]!, ...transaction(ROW), SYNC, ...transaction(REPORT), SYNC, SENT, ...SECOND],
      [/not one transaction/],
    ],
    ["no row", [FIRST[0]!, ...transaction(REPORT), SYNC, SENT, ...SECOND], [/no row says/]],
  ];
  for (const [why, lines, expected] of cases) {
    const { violations } = judge(lines);
    assertEquals(violations.length, expected.length, `${why}: ${violations}`);
    for (const [at, message] of expected.entries()) assertMatch(violations[at]!, message, why);
  }
});
