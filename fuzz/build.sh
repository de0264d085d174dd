#!/bin/bash -eu
# Builds the fuzzers into $OUT, each with its seeds and its dictionary.
#
# In OSS-Fuzz they become programs of libFuzzer. Elsewhere plain Go builds a program for
# each package, whose targets are run so, in the package's folder:
#
#   $OUT/PACKAGE.test -test.fuzz '^FuzzTARGET$' -test.fuzzcachedir DIR
#
#   fuzz/build.sh     builds; $OUT is fuzz/out by default
#   fuzz/build.sh -n  prints what OSS-Fuzz would build, and builds nothing
set -o pipefail
cd "${SRC:-/nowhere}/draftwire" 2>/dev/null || cd "$(dirname "$0")/.."
module=$(go list -m)
export OUT=${OUT:-$PWD/fuzz/out}
work=$(mktemp -d)

# What is hidden comes back, whatever happens.
hidden=$work/hidden
restore() {
	[ ! -d "$hidden" ] || (cd "$hidden" && tar -c .) | tar -x
	rm -rf "$hidden"
}
trap 'restore; rm -rf "$work"' EXIT

# hide takes the files of the package beside the tested one away: such builds take a
# package's test files into the package itself, and cannot tell the two apart.
hide() {
	local dir=$1 file
	for file in $(go list -f '{{join .XTestGoFiles " "}}' "$dir"); do
		mkdir -p "$hidden/$dir" && mv "$dir/$file" "$hidden/$dir/$file"
	done
}

# writable gives Go a folder that can be overlaid: such builds put a file of their own in
# the place of testing's, which Go does not let them do to a version that it has
# downloaded for itself.
writable() {
	local root
	root=$(go env GOROOT)
	[[ $root == "$(go env GOMODCACHE)"* ]] || return 0
	cp -r "$root" "$work/goroot" && chmod -R u+w "$work/goroot"
	export GOROOT=$work/goroot PATH=$work/goroot/bin:$PATH GOTOOLCHAIN=local
}

# dictionary is what a target's inputs are made of.
dictionary() {
	case $1 in
	*_FuzzFrames | *_FuzzCodec) echo frames ;;
	*_FuzzOpen | *_FuzzCheck | *_FuzzHandshake | *httphead* | detect_FuzzRequest | *_FuzzFields | *_FuzzHops | *_FuzzHeads | *_FuzzOrigin | *_FuzzRequests) echo heads ;;
	*_FuzzAnswer | *_FuzzAccepted) echo extensions ;;
	*Proxy | detect_FuzzPreface) echo proxy ;;
	*_FuzzLoad | *_FuzzBackend) echo config ;;
	*_FuzzNames) echo names ;;
	esac
}

compile=
for c in compile_native_go_fuzzer_v2 compile_native_go_fuzzer; do
	[ -n "$compile" ] || ! command -v $c >/dev/null || compile=$c
done

if [ "${1:-}" = -n ]; then
	fuzz/list | while read -r dir target name where; do
		if [ "$where" = everywhere ]; then
			words=$(dictionary "$name")
			echo "compile_native_go_fuzzer_v2 $module${dir#.} $target $name${words:+ # fuzz/dict/$words.dict}"
		else
			echo "# $module${dir#.} $target: for go test alone"
		fi
	done
elif [ -z "$compile" ]; then
	mkdir -p "$OUT"
	for dir in $(fuzz/list | cut -d' ' -f1 | uniq); do
		name=${dir#.} && name=${name#/} && name=${name//\//_}
		go test -c -fuzz=. -o "$OUT/${name:-draftwire}.test" "$dir"
		echo "$OUT/${name:-draftwire}.test"
	done
else
	fuzz/list >"$work/list"
	go run ./fuzz/seeds -o "$work/seeds"
	writable
	while read -r dir target name where; do
		[ "$where" = everywhere ] || continue
		(cd "$work/seeds/$name" && zip -qr "$OUT/${name}_seed_corpus.zip" .)
		words=$(dictionary "$name")
		[ -z "$words" ] || cp "fuzz/dict/$words.dict" "$OUT/$name.dict"
		hide "$dir"
		$compile "$module${dir#.}" "$target" "$name"
		restore
	done <"$work/list"
fi
