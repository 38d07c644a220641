/**
 * The shells' side of completion: each hands the words of the line to `cellplane __complete` and offers what it prints.
 *
 * The scripts ask the very program that printed them, by its path, since with npm or npx there is no `cellplane` in the
 * PATH, and npx would take a second for every key. When that program is gone, they ask whatever is called `cellplane`.
 * What is completed is a command line that begins with `cellplane`; with npx a function of that name makes it one.
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** Printed by `cellplane completion SHELL`, to be evaluated by the shell. `node` and `program` are paths. */
export function completionScript(shell: Shell, node: string, program: string): string {
  return SCRIPTS[shell](quoted(node), quoted(program))
}

/** How to turn it on, for people. */
export const INSTALL: Readonly<Record<Shell, string>> = {
  bash: 'add to ~/.bashrc:  eval "$(cellplane completion bash)"',
  zsh: 'add to ~/.zshrc:  eval "$(cellplane completion zsh)"',
  fish: 'run once:  cellplane completion fish > ~/.config/fish/completions/cellplane.fish',
}

/** For those who have no `cellplane` in the PATH. */
export const INSTALL_NPX =
  'with npx: write `npx cellplane completion SHELL` there, and beside it  cellplane() { npx cellplane "$@"; }  (fish: function cellplane; npx cellplane $argv; end)'

/** In single quotes, which all three shells read alike. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`
}

// The word under the cursor comes last and may be empty. Errors are dropped: a completion must not write into the line.
const SCRIPTS: Readonly<Record<Shell, (node: string, program: string) => string>> = {
  bash: (node, program) => `_cellplane_ask() {
  if [ -x ${node} ] && [ -f ${program} ]; then ${node} ${program} "$@"; else cellplane "$@"; fi
}
_cellplane() {
  local IFS=$'\\n'
  COMPREPLY=($(_cellplane_ask __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _cellplane cellplane`,
  zsh: (node, program) => `_cellplane_ask() {
  if [ -x ${node} ] && [ -f ${program} ]; then ${node} ${program} "$@"; else cellplane "$@"; fi
}
_cellplane() {
  local -a found
  found=(\${(f)"$(_cellplane_ask __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#found} )); then compadd -a found; else _files; fi
}
if ! (( $+functions[compdef] )); then autoload -Uz compinit && compinit; fi
compdef _cellplane cellplane`,
  fish: (node, program) => `function __cellplane_complete
  set -l words (commandline -opc) (commandline -ct)
  if test -x ${node}; and test -f ${program}
    ${node} ${program} __complete -- $words[2..-1] 2>/dev/null
  else
    cellplane __complete -- $words[2..-1] 2>/dev/null
  end
end
complete -c cellplane -a '(__cellplane_complete)'`,
}
