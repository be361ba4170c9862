/** Command lines as cron, PHP, mail programs and people write them. */
import { assertEquals, assertThrows } from "@std/assert";
import { type Arguments, parseArguments } from "../../../../cli/sendmail/arguments.ts";
import { CommandError } from "../../../../cli/terminal.ts";

const NOTHING: Arguments = {
  mode: "send",
  recipients: [],
  fromHeader: false,
  dots: false,
  sender: null,
  name: null,
  notify: null,
  ret: null,
  envid: null,
  config: null,
};

const LINES: readonly (readonly [line: string, means: Partial<Arguments>])[] = [
  ["-i -FCronDaemon -B8BITMIME -oem root", { dots: true, name: "CronDaemon", recipients: ["root"] }], // Debian's cron
  ["-t -i", { fromHeader: true, dots: true }], // PHP
  ["-ti", { fromHeader: true, dots: true }],
  ["-it -f me@example.org", { fromHeader: true, dots: true, sender: "me@example.org" }],
  ["-i -- bob@example.org -t", { dots: true, recipients: ["bob@example.org", "-t"] }], // s-nail
  ["-oi -fme bob", { dots: true, sender: "me", recipients: ["bob"] }],
  ["-odi -oMr,local -om bob", { recipients: ["bob"] }],
  ["-o i bob", { dots: true, recipients: ["bob"] }],
  ["-r <> bob", { sender: "", recipients: ["bob"] }],
  ["-f <me@example.org> bob", { sender: "me@example.org", recipients: ["bob"] }],
  ["-N never -R hdrs -V id bob", { notify: ["NEVER"], ret: "HDRS", envid: "id", recipients: ["bob"] }],
  ["-N delay,failure bob", { notify: ["FAILURE", "DELAY"], recipients: ["bob"] }],
  ["-bs", { mode: "smtp" }],
  ["-b s", { mode: "smtp" }],
  ["-bp", { mode: "queue" }],
  ["-bi", { mode: "aliases" }],
  ["-I", { mode: "aliases" }],
  ["-bm -G -U -n -m -v -em -s bob", { recipients: ["bob"] }],
  ["-q", { mode: "flush" }],
  ["-q15m", { mode: "flush" }],
  ["-C /etc/x.yaml -O MaxHops=1 -L tag -h 3 -p rest -X log -A c bob", { config: "/etc/x.yaml", recipients: ["bob"] }],
  ["--config /etc/x.yaml -t", { config: "/etc/x.yaml", fromHeader: true }],
  ["--config=/etc/x.yaml -t", { config: "/etc/x.yaml", fromHeader: true }],
  ["bob ann -t", { recipients: ["bob", "ann"], fromHeader: true }],
];

for (const [line, means] of LINES) {
  Deno.test(`sendmail ${line}`, () => {
    assertEquals(parseArguments(line.split(" "), "sendmail"), { ...NOTHING, ...means });
  });
}

Deno.test("mailq and newaliases are modes of it", () => {
  assertEquals(parseArguments([], "mailq").mode, "queue");
  assertEquals(parseArguments([], "newaliases").mode, "aliases");
});

for (const line of ["-y", "-bd", "-bz", "-f", "-N sometimes bob", "-R some bob", "--config"]) {
  Deno.test(`sendmail ${line}: EX_USAGE`, () => {
    const error = assertThrows(() => parseArguments(line.split(" "), "sendmail"), CommandError);
    assertEquals(error.code, 64);
  });
}
