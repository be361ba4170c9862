/** A password typed at a terminal: the kernel's, not one of ours. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { programOf, testWith } from "../../../support/debian.ts";
import { TempFolder } from "../../../support/temp.ts";
import { within } from "../../../support/wait.ts";

const MAIN = new URL("../../../../cli/main.ts", import.meta.url).pathname;

/** Types each answer when its question stands there, and answers all that the screen showed. */
async function screen(args: string, cwd: string, dialogue: readonly (readonly [question: string, answer: string])[]) {
  const child = new Deno.Command(programOf("script")!, {
    args: ["-qec", `${Deno.execPath()} run -A ${MAIN} user ${args}`, "/dev/null"],
    cwd,
    env: { NO_COLOR: "1", SHELL: "/bin/sh" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keys = child.stdin.getWriter();
  let shown = "", next = 0;
  const watching = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      shown += text;
      const step = dialogue[next];
      if (step === undefined || !shown.includes(step[0])) continue;
      next++;
      await keys.write(new TextEncoder().encode(step[1]));
    }
  })();
  const end = Promise.all([child.status, watching]);
  const [{ code }] = await within("the end of the command", end, 20_000, () => child.kill("SIGKILL"));
  await keys.close().catch(() => {});
  return { code, shown };
}

testWith(["script"], "user: what is typed at the prompt is not shown", async () => {
  await using folder = await TempFolder.make();
  const { code, shown } = await screen("add alice --file a.txt", folder.path, [
    ["Password for alice: ", "correct hose\u007f\u007frse\r"],
    ["The same again: ", "correct horse\r"],
  ]);
  assertEquals(shown.replaceAll("\r", ""), "Password for alice: \nThe same again: \nalice is added to a.txt\n");
  assertEquals(code, 0);
});

testWith(["script"], "user: Ctrl-C at the prompt changes nothing and gives the terminal back", async () => {
  await using folder = await TempFolder.make();
  await folder.file("a.txt", "bob disabled\n");
  const { code, shown } = await screen("passwd bob --file a.txt; stty -a", folder.path, [
    ["Password for bob: ", "correct hor\u0003"],
  ]);
  assertStringIncludes(shown.replaceAll("\r", ""), "Password for bob: \npostern: nothing was changed\n");
  assertEquals([code, /(?<!-)\becho\b/.test(shown), /(?<!-)\bicanon\b/.test(shown)], [0, true, true]);
  assertEquals(await Deno.readTextFile(folder.at("a.txt")), "bob disabled\n");
});
