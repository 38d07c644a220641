/** The shells' side of completion: each hands the words of the line to `cellplane __complete` and offers what it prints. */

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** Printed by `cellplane completion SHELL`, to be evaluated by the shell. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell]
}

/** How to turn it on, for people. */
export const INSTALL: Readonly<Record<Shell, string>> = {
  bash: 'add to ~/.bashrc:  eval "$(cellplane completion bash)"',
  zsh: 'add to ~/.zshrc:  eval "$(cellplane completion zsh)"',
  fish: 'run once:  cellplane completion fish > ~/.config/fish/completions/cellplane.fish',
}

// The word under the cursor comes last and may be empty. Errors are dropped: a completion must not write into the line.
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `_cellplane() {
  local IFS=$'\\n'
  COMPREPLY=($(cellplane __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _cellplane cellplane`,
  zsh: `_cellplane() {
  local -a found
  found=(\${(f)"$(cellplane __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#found} )); then compadd -a found; else _files; fi
}
if ! (( $+functions[compdef] )); then autoload -Uz compinit && compinit; fi
compdef _cellplane cellplane`,
  fish: `function __cellplane_complete
  set -l words (commandline -opc) (commandline -ct)
  cellplane __complete -- $words[2..-1] 2>/dev/null
end
complete -c cellplane -a '(__cellplane_complete)'`,
}
