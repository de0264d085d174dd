package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// shells write the completion script of a shell. The scripts are static: completing a
// word never runs the program.
var shells = map[string]func(io.Writer, []shellCommand){
	"bash": writeBash, "zsh": writeZsh, "fish": writeFish,
}

// shellCommand is what a shell needs to know about a command.
type shellCommand struct {
	name, usage string
	flags       []flagDoc
	arg         string   // what stands for its argument, as "[DIR]"
	words       []string // what the argument may be
}

// shellCommands walks the commands of the application.
func shellCommands(app *cli.App) []shellCommand {
	var out []shellCommand
	for _, c := range app.Commands {
		s := shellCommand{name: c.Name, usage: c.Usage, flags: docs(c.Flags), arg: strings.Trim(c.ArgsUsage, "[]")}
		first, _, more := strings.Cut(s.arg, " ")
		s.words = choicesOf(first)
		switch {
		case s.arg == "COMMAND":
			s.words = commandNames(app)
		case more && s.words == nil && first == strings.ToLower(first):
			s.words = []string{first} // as in "legacy NAME..."
		case strings.Contains(s.arg, "DRAFT"):
			s.words = append(slices.Clone(s.words), draftWords()...)
		}
		out = append(out, s)
	}
	return out
}

// spellings are the ways to write a flag.
func (d flagDoc) spellings() []string {
	out := []string{"--" + d.name}
	if d.short != "" {
		out = append(out, "-"+d.short)
	}
	return out
}

func isFile(value string) bool { return value == "FILE" }
func isDir(value string) bool  { return value == "DIR" }

func writeBash(w io.Writer, commands []shellCommand) {
	fmt.Fprint(w, `# bash completion for draftwire
_draftwire() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd= words= kind= i
    # bash takes "--flag=value" apart at the "="
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -*) ;;
        *) cmd=${COMP_WORDS[i]}; break ;;
        esac
    done
    case $cmd in
`)
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	fmt.Fprintf(w, "    '') words='%s --help --version' ;;\n", strings.Join(names, " "))
	for _, c := range commands {
		fmt.Fprintf(w, "    %s)\n        case $prev in\n", c.name)
		var flags, plain []string
		for _, d := range c.flags {
			flags = append(flags, d.spellings()...)
			pattern := strings.Join(d.spellings(), "|")
			switch words := d.choices(); {
			case d.value == "":
			case isFile(d.value), isDir(d.value):
				fmt.Fprintf(w, "        %s) kind=%s ;;\n", pattern, strings.ToLower(d.value))
			case words != nil:
				fmt.Fprintf(w, "        %s) words='%s' ;;\n", pattern, strings.Join(words, " "))
			default:
				plain = append(plain, pattern)
			}
		}
		if plain != nil {
			fmt.Fprintf(w, "        %s) ;;\n", strings.Join(plain, "|"))
		}
		fmt.Fprintf(w, "        *)\n            case $cur in\n            -*) words='%s' ;;\n", strings.Join(flags, " "))
		switch {
		case isDir(c.arg):
			fmt.Fprint(w, "            *) kind=dir ;;\n")
		case c.words != nil:
			fmt.Fprintf(w, "            *) words='%s' ;;\n", strings.Join(c.words, " "))
		}
		fmt.Fprint(w, "            esac ;;\n        esac ;;\n")
	}
	fmt.Fprint(w, `    esac
    local IFS=$'\n'
    case $kind in
    file) compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")) ;;
    dir) compopt -o filenames; COMPREPLY=($(compgen -d -- "$cur")) ;;
    *) COMPREPLY=($(compgen -W "${words// /$'\n'}" -- "$cur")) ;;
    esac
}
complete -F _draftwire draftwire
`)
}

func (p *program) completionCommand() command {
	return command{
		name: "completion", usage: "print a completion script for a shell", args: "bash|zsh|fish", least: 1, most: 1,
		about: "The script is static: completing a word never runs this program.",
		examples: []example{
			{"source <(draftwire completion bash)", "for this bash, or in ~/.bashrc"},
			{`draftwire completion zsh > "${fpath[1]}/_draftwire"`, "for zsh"},
			{"draftwire completion fish > ~/.config/fish/completions/draftwire.fish", "for fish"},
		},
		run: func(c *cli.Context) error {
			write := shells[c.Args().First()]
			if write == nil {
				return usagef("there is no completion for %q, only for bash, zsh and fish", c.Args().First())
			}
			var b strings.Builder
			write(&b, shellCommands(c.App))
			_, err := io.WriteString(p.out, b.String())
			return err
		},
	}
}
