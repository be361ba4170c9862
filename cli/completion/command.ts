/** `postern completion SHELL`: a script that makes a shell complete our commands. Non-job: what is completed (complete.ts). */
import { Argument, Command } from "commander";
import { DONE, type ExitCode, type Terminal } from "../terminal.ts";
import { SCRIPTS, type Shell } from "./scripts.ts";

export function completionCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("completion")
    .description("print a script that makes a shell complete these commands")
    .addArgument(new Argument("<shell>", "which shell").choices(Object.keys(SCRIPTS)))
    .addHelpText(
      "after",
      `
bash: postern completion bash > ~/.local/share/bash-completion/completions/postern
zsh:  postern completion zsh > "\${fpath[1]}/_postern"
fish: postern completion fish > ~/.config/fish/completions/postern.fish`,
    )
    .action((shell: Shell) => {
      terminal.out(SCRIPTS[shell].trimEnd());
      finish(DONE);
    });
}
