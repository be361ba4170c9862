/**
 * What a shell must know to ask us: `postern __complete -- WORDS`, the last of them being typed. An answer is a line, and a
 * tab before what it means; the line `:files` asks for names of files. Non-job: the answers (complete.ts).
 */

export type Shell = "bash" | "zsh" | "fish";

/** Words are cut at spaces: bash itself cuts at @, : and = too, and puts the rest behind what it takes for the word. */
const BASH = String.raw`# postern: completion for bash
_postern() {
  local line="\${COMP_LINE:0:COMP_POINT}" answer
  local -a words
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  local word="\${words[-1]}"
  local before="\${word%"\${word##*[@:=]}"}"
  COMPREPLY=()
  while IFS=$'\t' read -r answer _; do
    if [[ $answer == :files ]]; then
      compopt -o filenames 2> /dev/null
      mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")
    else
      COMPREPLY+=("\${answer#"$before"}")
    fi
  done < <("\${words[0]}" __complete -- "\${words[@]:1}" 2> /dev/null)
}
complete -F _postern postern
`.replaceAll("\\$", "$");

const ZSH = String.raw`#compdef postern
# postern: completion for zsh
_postern() {
  local line files=
  local -a answers
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      files=1
    else
      answers+=("\${\${line%%$'\t'*}//:/\\:}:\${line#*$'\t'}")
    fi
  done < <("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2> /dev/null)
  (( \${#answers} )) && _describe postern answers
  [[ -n $files ]] && _files
  return 0
}
if [[ $funcstack[1] == _postern ]]; then
  _postern "$@"
else
  compdef _postern postern
fi
`.replaceAll("\\$", "$");

const FISH = String.raw`# postern: completion for fish
function __postern_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in ($words[1] __complete -- $words[2..-1] 2> /dev/null)
    if test "$line" = ":files"
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c postern -f -a "(__postern_complete)"
`;

export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
