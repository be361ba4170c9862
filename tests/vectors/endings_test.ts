/** The 16 false endings of DATA (smtp-smuggling/endings.json) against the engine: case 1. Socket level: tests/e2e. */
import { assert, assertEquals } from "@std/assert";
import { converse, latin1 } from "../support/engine.ts";
import { readVectors } from "../support/vectors.ts";

interface Ending {
  readonly id: string;
  readonly bytes_b64: string;
}
/** They hold a true CRLF.CRLF and a stray NUL beside it. */
const TRUE_ENDS = ["smug-01", "smug-13"];
const OPEN = "EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n";
const SMUGGLED = "MAIL FROM:<evil@b.example>\r\nRCPT TO:<victim@y.example>\r\nDATA\r\nsmuggled\r\n";

const endings = readVectors<Ending[]>("smtp-smuggling/endings.json");
if (endings) {
  Deno.test("case 1: the set of endings is whole", () => assertEquals(endings.length, 16));
  for (const { id, bytes_b64 } of endings) {
    const bytes = latin1(Uint8Array.from(atob(bytes_b64), (char) => char.charCodeAt(0)));
    for (const bareLf of ["reject", "normalize"] as const) {
      Deno.test(`case 1: ${id} ${bareLf}`, () => {
        const text = `${OPEN}Subject: outer\r\n\r\nouter${bytes}${SMUGGLED}\r\n.\r\nQUIT\r\n`;
        for (const pieces of [[text], [...text]]) {
          const { output, messages } = converse(pieces, { bareLf });
          if (TRUE_ENDS.includes(id)) {
            // The message ends at the true end; the NUL is content of it, or makes the next command a bad one.
            assert(messages.length >= 1 && !messages[0]!.includes("evil"));
            if (id === "smug-13") assert(output.includes("500 5.5.2"), "the NUL before the next command is told");
          } else if (bareLf === "normalize" && id !== "smug-07" && id !== "smug-08") {
            assertEquals(messages.length, 1, "one message, the smuggled text inside");
            assert(messages[0]!.includes("evil@b.example"));
            assert(!/(^|[^\r])\n|\r(?!\n)/.test(messages[0]!));
          } else {
            assert(messages.every((each) => each.includes("evil@b.example")), "nothing inside ran as a command");
            const bare = id !== "smug-07" && id !== "smug-08"; // these two hold a NUL, and whole CRLFs
            assertEquals(output.includes("550 5.5.2"), bare);
            assertEquals(messages.length, bare ? 0 : 1);
          }
        }
      });
    }
  }
}
