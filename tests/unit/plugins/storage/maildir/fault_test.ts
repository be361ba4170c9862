import { assert, assertEquals } from "@std/assert";
import { refusalFor } from "../../../../../plugins/storage/maildir/fault.ts";

Deno.test("case 71: what fails in the file system is temporary, with the status of its cause", () => {
  const table: [code: string, reply: number, status: string][] = [
    ["ENOSPC", 452, "4.3.1"],
    ["EDQUOT", 452, "4.2.2"],
    ["EACCES", 451, "4.2.0"],
    ["ENOTDIR", 451, "4.2.0"],
    ["EIO", 451, "4.3.0"],
    ["EROFS", 451, "4.3.0"],
    ["EMFILE", 451, "4.3.0"],
    ["constructor", 451, "4.3.0"],
  ];
  for (const [code, reply, status] of table) {
    const refusal = refusalFor(Object.assign(new Error("open '/srv/mail/joe'"), { code }));
    assertEquals([refusal.code, refusal.status, refusal.verdict], [reply, status, "defer"], code);
    assert(!refusal.text.includes("/srv"), "a peer sees no paths");
    assert(refusal.options.reason!.includes("/srv/mail/joe"), "the ledger does");
  }
  assertEquals(refusalFor(new Error("Disk quota exceeded (os error 122)")).status, "4.2.2"); // as Deno says it
  for (const odd of [null, undefined, "text", 5]) assertEquals(refusalFor(odd).status, "4.3.0");
});
