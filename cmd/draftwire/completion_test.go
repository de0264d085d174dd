package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// inShell runs a script in a shell with the completion script as $1 and a
// draftwire on the path that leaves a trace if it is run.
func inShell(t *testing.T, shell, script string, args ...string) []string {
	t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Skipf("%s is not here", shell)
	}
	code, text, _ := call(t, "", "completion", shell)
	if code != 0 {
		t.Fatalf("exit %d", code)
	}
	dir := t.TempDir()
	file, trace := filepath.Join(dir, "completion"), filepath.Join(dir, "trace")
	os.WriteFile(file, []byte(text), 0o600)
	os.WriteFile(filepath.Join(dir, "draftwire"), []byte("#!/bin/sh\n: > "+trace+"\n"), 0o700)
	os.Mkdir(filepath.Join(dir, "folder one"), 0o700)
	os.WriteFile(filepath.Join(dir, "file one"), nil, 0o600)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append(args, "-c", script, shell, file)...)
	cmd.WaitDelay = time.Second
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir, "FILE="+file, "TERM=dumb")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", shell, err, out)
	}
	if _, err := os.Stat(trace); err == nil {
		t.Errorf("%s: completing ran the program", shell)
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
}

func TestBashCompletion(t *testing.T) {
	const ask = `
source "$1"
for line in 'serv' 'serve --lis' 'serve --' 'serve --mode ' 'serve --mode = b' 'serve --log-level d' 'serve f' 'serve --tls-cert fi' 'client -' \
	'client --version hi' 'client ws://x/ --fall' 'completion ' 'help ver' 'serve --listen ' '--v' 'serve --compression ' 'client --compression l' 'client ws://x/ --ec' 'versions --l' 'bench --ver' 'bench --version hyb' 'bench --mi' 'cert ' 'serve --tls-profile '; do
	[[ $line == *' ' ]] && line+=$'\x01'
	read -ra COMP_WORDS <<<"draftwire $line"
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	COMP_WORDS[COMP_CWORD]=${COMP_WORDS[COMP_CWORD]#$'\x01'}
	COMPREPLY=()
	compopt() { :; }
	_draftwire
	IFS='|'; echo "${COMPREPLY[*]}"; unset IFS
done
complete -p draftwire`
	got := inShell(t, "bash", ask, "--norc")
	want := []string{
		"serve", "--listen", "", "echo|broadcast|files", "broadcast", "debug", "folder one", "file one", "",
		"hixie-75|hixie-76", "--fallback", "bash|zsh|fish", "versions|version", "", "--version",
		"off|large|all", "large", "--echo", "--long|--log-level|--log-format",
		"--version|--verbose", "hybi-02|hybi-04|hybi-05|hybi-06|hybi-07|hybi-08", "--mix", "legacy", "modern|legacy|museum", "complete -F _draftwire draftwire",
	}
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i, w := range want {
		words := strings.Split(got[i], "|")
		switch i {
		case 2, 8: // every flag
			for _, f := range []string{"--help", "--quiet", "-v"} {
				if !slices.Contains(words, f) && (i == 8 || len(f) > 2) {
					t.Errorf("%d: %q lacks %s", i, words, f)
				}
			}
		default:
			if got[i] != w {
				t.Errorf("%d: got %q, want %q", i, got[i], w)
			}
		}
	}
}

func TestFishCompletion(t *testing.T) {
	const ask = `source $FILE
for line in 'serv' 'serve --lis' 'serve --mode ' 'client --version hi' 'completion ' 'client -' 'serve --compression '
	echo (complete -C"draftwire $line" | string replace -r '\t.*' '')
end`
	got := inShell(t, "fish", ask, "--no-config")
	if len(got) != 7 {
		t.Fatalf("got %q", got)
	}
	for i, want := range []string{"serve", "--listen", "broadcast echo files", "hixie-75 hixie-76", "bash fish zsh"} {
		if got[i] != want {
			t.Errorf("%d: got %q, want %q", i, got[i], want)
		}
	}
	if !strings.Contains(got[5], "--execute") || !strings.Contains(got[5], "--echo") {
		t.Errorf("flags: %q", got[5])
	}
	if got[6] != "all large off" {
		t.Errorf("modes: %q", got[6])
	}
}

// zsh completes only at a prompt, so that one runs on a terminal of its own: the
// tab key completes, Ctrl-T tells what then stands in the line.
func TestZshCompletion(t *testing.T) {
	const ask = `
zmodload zsh/zpty
mkfifo $HOME/pipe
exec 3<>$HOME/pipe
print -r -- '
	PS1=; autoload -Uz compinit; compinit -u -d $HOME/dump; source $FILE
	tell() { print -r -- "$BUFFER|" > $HOME/pipe; BUFFER= }
	zle -N tell; bindkey "^T" tell
	zle-line-init() { zle -D zle-line-init; print ready > $HOME/pipe }
	zle -N zle-line-init' > $HOME/setup
zpty z zsh -f -i
zpty -w z 'source $HOME/setup'
read -r answer <&3
for line in 'serv' 'serve --lis' 'serve --mode b' 'client --version hixie-' 'completion f' 'serve --tls-cert fi' 'client -x a --fall' 'serve fo' 'serve --compression l' 'client --ec' 'cert l'; do
	zpty -n -w z "draftwire $line"$'\t\x14'
	read -r answer <&3
	print -r -- "$answer"
done
zpty -d z`
	got := inShell(t, "zsh", ask, "-f")
	want := []string{
		"serve |", "serve --listen |", "serve --mode broadcast |", "client --version hixie-7|", "completion fish |",
		`serve --tls-cert file\ one |`, "client -x a --fallback |", `serve folder\ one/|`,
		"serve --compression large |", "client --echo |", "cert legacy |",
	}
	for i, w := range want {
		if i >= len(got) || got[i] != "draftwire "+w {
			t.Errorf("got %q, want %q", got, want)
			break
		}
	}
}
