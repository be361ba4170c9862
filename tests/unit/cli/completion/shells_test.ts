/** Completion as shells ask for it: each of them loads its script, and is asked as when a person presses tab. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { SCRIPTS, type Shell } from "../../../../cli/completion/scripts.ts";
import { type Program, programOf, testWith } from "../../../support/debian.ts";
import { TempFolder } from "../../../support/temp.ts";
import { within } from "../../../support/wait.ts";

const MAIN = new URL("../../../../cli/main.ts", import.meta.url).pathname;
const DEADLINE = 60_000;

interface Place {
  readonly folder: TempFolder;
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
}
/** A folder with `postern` in the path, and the shell's script. */
async function place(folder: TempFolder, shell: Shell): Promise<Place> {
  const wrapper = await folder.file("bin/postern", `#!/bin/sh\nexec ${Deno.execPath()} run -A ${MAIN} "$@"\n`);
  await Deno.chmod(wrapper, 0o755);
  await folder.file("some file.yaml", "");
  const env = {
    PATH: `${folder.at("bin")}:${Deno.env.get("PATH")}`,
    HOME: folder.path,
    POSTERN_ADMIN: "127.0.0.1:1",
    NO_COLOR: "1",
    TERM: "xterm",
    LANG: "C.UTF-8",
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
  };
  return { folder, script: await folder.file(`script.${shell}`, SCRIPTS[shell]), env };
}

async function output(shell: Program, args: readonly string[], { folder, env }: Place): Promise<string[]> {
  const child = new Deno.Command(programOf(shell)!, {
    args: [...args],
    cwd: folder.path,
    env,
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const { stdout, stderr } = await within("the shell", child.output(), DEADLINE, () => child.kill("SIGKILL"));
  assertEquals(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}

const LINES: readonly (readonly [line: string, answers: readonly string[]])[] = [
  ["postern q", ["quarantine", "queue"]],
  ["postern queue re", ["release", "retry"]],
  ["postern queue list --sta", ["--state"]],
  ["postern queue list --state de", ["deferred", "delivered"]],
  ["postern completion ", ["bash", "fish", "zsh"]],
  ["postern nothing ", []],
  ["postern queue show ", []],
];

testWith(["bash"], "completion: bash", async () => {
  await using folder = await TempFolder.make();
  const there = await place(folder, "bash");
  for (const [line, answers] of [...LINES, ["postern check --config som", ["some file.yaml"]]] as const) {
    const command = `source ${there.script}; COMP_LINE="$1"; COMP_POINT=\${#COMP_LINE}; _postern
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    assertEquals((await output("bash", ["--norc", "-c", command, "bash", line], there)).sort(), answers, line);
  }
});

testWith(["fish"], "completion: fish", async () => {
  await using folder = await TempFolder.make();
  const there = await place(folder, "fish");
  for (const [line, answers] of [...LINES, ["postern check --config som", ["some file.yaml"]]] as const) {
    const command = `source ${there.script}; complete -C '${line}'`;
    const found = await output("fish", ["--no-config", "-c", command], there);
    assertEquals(found.map((each) => each.split("\t")[0]).sort(), [...answers], line);
  }
});

/** A shell at a terminal: what is typed when something stands there, and all that it showed. */
async function typed(
  shell: string,
  dialogue: readonly (readonly [shown: string, keys: string])[],
  { folder, env }: Place,
): Promise<string> {
  const child = new Deno.Command(programOf("script")!, {
    args: ["-qec", shell, "/dev/null"],
    cwd: folder.path,
    env: { ...env, SHELL: "/bin/sh" },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keys = child.stdin.getWriter();
  let shown = "", from = 0, next = 0;
  const watching = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      shown += text;
      for (let step; (step = dialogue[next]) !== undefined;) {
        const at = shown.indexOf(step[0], from);
        if (at < 0) break;
        from = at + step[0].length;
        next++;
        await keys.write(new TextEncoder().encode(step[1]));
      }
    }
  })();
  await within(
    `the end of ${shell}; it showed ${JSON.stringify(shown)}`,
    Promise.all([child.status, watching]),
    DEADLINE,
    () => {
      child.kill("SIGKILL");
    },
  );
  await keys.close().catch(() => {});
  assertEquals(next, dialogue.length, shown);
  return shown;
}

for (
  const [shell, start, prepare] of [
    ["bash", "bash --norc -i", ""],
    ["zsh", "zsh -f -i", "autoload -U compinit; compinit -u -D; "],
  ] as const
) {
  testWith(["script", shell], `completion: tab in ${shell} at a terminal`, async () => {
    await using folder = await TempFolder.make();
    const there = await place(folder, shell);
    // The prompt is ours, and not what is typed: an echo does not look like it
    const shown = await typed(start, [
      ["", `PS1='pro''mpt> '; ${prepare}source ${there.script}\r`],
      ["prompt> ", "postern completion fi\t"],
      ["postern completion fish", "\r"],
      ["prompt> ", "exit\r"],
    ], there);
    assertStringIncludes(shown, "function __postern_complete");
  });
}
