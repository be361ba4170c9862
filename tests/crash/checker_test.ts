/**
 * The trace checker must be able to fail: hand-made traces with one fault each, and the same without it.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { judge } from "./order.ts";
import { parseTrace, pathOf, unquote } from "./trace.ts";

const ID = "01JDQW3Z7YB2C4D5E6F7G8H9JK", NAME = "crash-7-1-1000";
const NAMES = new Map([[ID, NAME]]), ROOTS = ["/d"];

const WAL = "9</d/p.db-wal>", SOCKET = "20<TCP:[127.0.0.1:2525->127.0.0.1:40000]>";
const FRAME = String.raw`pwrite64(${WAL}, "\0\0\0\2\0\0\0\0\1\2\3\4\5\6\7\10\0\0\0\0\0\0\0\0", 24, 32) = 24`;
const COMMIT = String.raw`pwrite64(${WAL}, "\0\0\0\3\0\0\0\3\1\2\3\4\5\6\7\10\0\0\0\0\0\0\0\0", 24, 4152) = 24`;
const page = (text: string) => `pwrite64(${WAL}, "\\r\\0${text}\\n", 4096, 56) = 4096`;
const SYNC_WAL = `fsync(${WAL}) = 0`;
const REPLY = `sendto(${SOCKET}, "250 2.0.0 Ok: queued as ${ID}\\r\\n", 50, MSG_NOSIGNAL, NULL, 0) = 50`;
const SPOOL = "11</d/spool/t1>";
const FILE = [
  `openat(AT_FDCWD</w>, "/d/spool/t1", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600) = 11</d/spool/t1>`,
  `write(${SPOOL}, "Subject: ${NAME}\\r\\n", 4096) = 4096`,
  `write(${SPOOL}, "the rest", 8) = 8`,
  `fdatasync(${SPOOL}) = 0`,
  `rename("/d/spool/t1", "/d/spool/m1") = 0`,
  `fsync(12</d/spool>) = 0`,
];
const GOOD = [FRAME, page(NAME), COMMIT, page("index"), SYNC_WAL, REPLY];

/** A trace of one thread for each list, one event a line, in the order of the lists. */
function trace(...lines: string[]): ReturnType<typeof parseTrace> {
  return parseTrace(lines.map((line, at) => `100 1795376293.${100000 + at} ${line}\n`).join(""));
}

Deno.test("trace: calls cut by other threads, strings with anything in them, killed inside", () => {
  const calls = parseTrace(
    String.raw`100 1.5 fsync(9</d/a (b) "c">  <unfinished ...>
101 1.6 write(20<TCP:[1->2]>, "a\"),= 3\\", 9) = 9
100 1.7 <... fsync resumed>) = -1 EIO (Input/output error) (INJECTED)
102 1.8 --- SIGURG {si_signo=SIGURG} ---
101 1.9 openat(AT_FDCWD</w>, "/d/x", O_RDWR|O_CREAT, 0600) = 5</d/x>
103 2.0 fsync(9</d/a> <unfinished ...>
103 2.1 +++ killed by SIGKILL +++
`,
  );
  assertEquals(
    calls.map(({ name, entry, exit, result, error, injected }) => [name, entry, exit, result, error, injected]),
    [
      ["fsync", 1, 3, -1, "EIO", true],
      ["write", 2, 2, 9, null, false],
      ["openat", 5, 5, 5, null, false],
      ["fsync", 6, Infinity, null, null, false],
    ],
  );
  assertEquals(pathOf(calls[0]!.args[0]), '/d/a (b) "c"');
  assertEquals(unquote(calls[1]!.args[1]!), 'a"),= 3\\');
  assertEquals(unquote(String.raw`"\0\12\x410\177"`), "\0\nA0\x7f");
});

Deno.test("checker: passes a right order, in the log, in a file, in both", () => {
  for (const lines of [GOOD, [...FILE, REPLY], [...FILE, ...GOOD]]) {
    const { replies, violations } = judge(trace(...lines), NAMES, ROOTS);
    assertEquals([replies, violations], [1, []]);
  }
});

Deno.test("checker: what another message writes after the sync is no fault of this one", () => {
  const next = [FRAME, page(`${NAME} ${NAME}9`), COMMIT, page("other")];
  assertEquals(judge(trace(...GOOD.slice(0, -1), ...next, REPLY), NAMES, ROOTS).violations, []);
});

Deno.test("checker: finds each fault", () => {
  const without = (list: string[], line: number) => list.filter((_, at) => at !== line);
  const moved = (list: string[], from: number, to: number) => {
    const rest = without(list, from);
    rest.splice(to, 0, list[from]!);
    return rest;
  };
  const file = [...FILE, REPLY];
  const cases: [why: string, lines: string[], message: RegExp][] = [
    ["the log is never synced", without(GOOD, 4), /p\.db-wal is not synced/],
    ["the log is synced before its last frame", moved(GOOD, 4, 2), /p\.db-wal is not synced/],
    ["the sync failed", GOOD.with(4, `fsync(${WAL}) = -1 EIO (Input/output error)`), /p\.db-wal is not synced/],
    ["the sync comes after the 250", moved(GOOD, 4, 5), /p\.db-wal is not synced/],
    ["the commit comes after the 250", [FRAME, page(NAME), SYNC_WAL, REPLY, COMMIT, page("x"), SYNC_WAL], /ends after/],
    ["no file holds it", [FRAME, page("other"), COMMIT, page("x"), SYNC_WAL, REPLY], /no file holds it/],
    ["only a longer name is held", [FRAME, page(`${NAME}0`), COMMIT, page("x"), SYNC_WAL, REPLY], /no file holds it/],
    ["the file is never synced", without(file, 3), /spool\/m1 is not synced/],
    ["the file is synced before its last write", moved(file, 3, 2), /spool\/m1 is not synced/],
    ["the file is cut after its sync", file.toSpliced(4, 0, `ftruncate(${SPOOL}, 5) = 0`), /spool\/m1 is not synced/],
    ["the folder is never synced", without(file, 5), /folder of \/d\/spool\/m1 is not synced/],
    ["the folder is synced before the rename", moved(file, 5, 4), /folder of \/d\/spool\/m1 is not synced/],
    [
      "the folder itself is new",
      [`mkdir("/d/spool", 0700) = 0`, ...file],
      /folder of \/d\/spool is not synced between mkdir/,
    ],
    ["one place is synced, the other is not", [...without(FILE, 3), ...GOOD], /spool\/m1 is not synced/],
  ];
  for (const [why, lines, message] of cases) {
    const { violations } = judge(trace(...lines), NAMES, ROOTS);
    assertEquals(violations.length, 1, `${why}: ${violations}`);
    assertMatch(violations[0]!, message);
  }
});

Deno.test("checker: a sync under way when the 250 goes out is too late", () => {
  const [frame, first, commit, last] = GOOD;
  const lines = [
    `100 1.1 ${frame}`,
    `100 1.2 ${first}`,
    `100 1.3 ${commit}`,
    `100 1.4 ${last}`,
    `100 1.5 fsync(${WAL} <unfinished ...>`,
    `101 1.6 ${REPLY}`,
    `100 1.7 <... fsync resumed>) = 0`,
  ];
  assertEquals(judge(parseTrace(lines.join("\n")), NAMES, ROOTS).violations.length, 1);
});
