package main

import (
	"fmt"
	"io"
	"strings"
)

// zshText escapes, within single quotes, what has a meaning to _arguments and _describe.
var zshText = strings.NewReplacer(`'`, `'\''`, `[`, `\[`, `]`, `\]`, `:`, `\:`, `\`, `\\`)

func writeZsh(w io.Writer, commands []shellCommand) {
	fmt.Fprint(w, `#compdef draftwire
# zsh completion for draftwire
_draftwire() {
    if (( CURRENT == 2 )); then
        local -a commands=(
`)
	for _, c := range commands {
		fmt.Fprintf(w, "            '%s:%s'\n", c.name, zshText.Replace(c.usage))
	}
	fmt.Fprint(w, `        )
        if [[ $words[2] == -* ]]; then
            compadd -- --help --version
        else
            _describe command commands
        fi
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
`)
	for _, c := range commands {
		fmt.Fprintf(w, "    %s) _arguments", c.name)
		for _, d := range c.flags {
			fmt.Fprintf(w, " \\\n        %s", zshFlag(d))
		}
		switch {
		case c.words != nil:
			fmt.Fprintf(w, " \\\n        '1:%s:(%s)'", strings.ToLower(zshText.Replace(c.arg)), strings.Join(c.words, " "))
		case isDir(c.arg):
			fmt.Fprint(w, " \\\n        '1:folder:_files -/'")
		}
		fmt.Fprint(w, " ;;\n")
	}
	fmt.Fprint(w, `    esac
}
if [[ $funcstack[1] == _draftwire ]]; then
    _draftwire "$@"
else
    compdef _draftwire draftwire
fi
`)
}

// zshFlag is the specification of a flag for _arguments.
func zshFlag(d flagDoc) string {
	names := d.spellings()
	var head string
	switch {
	case d.many && len(names) > 1:
		head = "'*'{" + strings.Join(names, ",") + "}"
	case d.many:
		head = "'*'" + names[0]
	case len(names) > 1:
		head = "'(" + strings.Join(names, " ") + ")'{" + strings.Join(names, ",") + "}"
	default:
		head = names[0]
	}
	tail := "'[" + zshText.Replace(d.usage) + "]"
	if d.value != "" {
		tail += ":" + strings.ToLower(shortValue(d.value)) + ":"
		switch words := d.choices(); {
		case isFile(d.value):
			tail += "_files"
		case isDir(d.value):
			tail += "_files -/"
		case words != nil:
			tail += "(" + strings.Join(words, " ") + ")"
		}
	}
	return head + tail + "'"
}

// fishText escapes within single quotes.
var fishText = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

func writeFish(w io.Writer, commands []shellCommand) {
	fmt.Fprint(w, "# fish completion for draftwire\ncomplete -c draftwire -f\n")
	for _, c := range commands {
		fmt.Fprintf(w, "complete -c draftwire -n __fish_use_subcommand -a %s -d '%s'\n", c.name, fishText.Replace(c.usage))
	}
	for _, c := range commands {
		when := "complete -c draftwire -n '__fish_seen_subcommand_from " + c.name + "'"
		for _, d := range c.flags {
			fmt.Fprintf(w, "%s -l %s", when, d.name)
			if d.short != "" {
				fmt.Fprintf(w, " -s %s", d.short)
			}
			switch words := d.choices(); {
			case d.value == "":
			case isFile(d.value):
				fmt.Fprint(w, " -r -F")
			case isDir(d.value):
				fmt.Fprint(w, " -x -a '(__fish_complete_directories)'")
			case words != nil:
				fmt.Fprintf(w, " -x -a '%s'", strings.Join(words, " "))
			default:
				fmt.Fprint(w, " -x")
			}
			fmt.Fprintf(w, " -d '%s'\n", fishText.Replace(d.usage))
		}
		switch {
		case isDir(c.arg):
			fmt.Fprintf(w, "%s -a '(__fish_complete_directories)'\n", when)
		case c.words != nil:
			fmt.Fprintf(w, "%s -a '%s'\n", when, strings.Join(c.words, " "))
		}
	}
}
