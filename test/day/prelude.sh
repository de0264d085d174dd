# What docs/a-day.md takes for granted on a machine. test/day replaces the paths and the ports.
set -u
mkdir -p ROOT/usr/bin /etc/systemd/system /etc/draftwire /var/lib/draftwire /run/credentials/draftwire.service /tmp/
PATH=$(dirname /usr/bin/draftwire):$PATH
export DRAFTWIRE_ADMIN=http://127.0.0.1:9090
journal=/tmp/journal
: >"$journal"

# unit KEY FILE: the value of a key of a unit.
unit() { sed -n "s/^$1=//p" /etc/systemd/system/"$2"; }

# systemctl does what the units say.
systemctl() {
    case "$*" in
    'enable --now draftwire')
        cp /etc/draftwire/tls.* /run/credentials/draftwire.service/ # LoadCredential=
        local s command=() names=() listen=()
        for s in $(unit Sockets draftwire.service); do
            names+=("$(unit FileDescriptorName "$s")")
            case $(unit ListenStream "$s") in
            80) listen+=(-l 127.0.0.1:PORT80) ;;
            443) listen+=(-l 127.0.0.1:PORT443) ;;
            esac
        done
        read -ra command <<<"$(unit ExecStart draftwire.service)"
        systemd-socket-activate "${listen[@]}" --fdname="$(IFS=:; echo "${names[*]}")" "${command[@]}" --admin 127.0.0.1:9090 >>"$journal" 2>&1 &
        until (: <>/dev/tcp/127.0.0.1/PORT80) 2>/dev/null; do sleep 0.1; done
        until draftwire status >/dev/null 2>&1; do sleep 0.1; done
        ;;
    'reload draftwire') kill -HUP "$(draftwire status --json | sed 's/.*"pid":\([0-9]*\).*/\1/')"; sleep 2 ;;
    'stop draftwire') kill -TERM "$(draftwire status --json | sed 's/.*"pid":\([0-9]*\).*/\1/')" ;;
    'start application')
        ROOT/draftwire serve --versions rfc6455 --listen 127.0.0.1:9000 >/dev/null 2>&1 &
        application=$!
        until (: <>/dev/tcp/127.0.0.1/"$(sed 's/.*://' <<<127.0.0.1:9000)") 2>/dev/null; do sleep 0.1; done
        ;;
    'stop application')
        kill "$application"
        wait "$application" 2>/dev/null
        true
        ;;
    esac
}
# journalctl prints what is new in the journal. The warning that the unit's LimitNOFILE prevents is
# left out.
journalctl() {
    tail -n +$(($(</tmp/seen) + 1)) "$journal" | grep -v '^Listening\|^Communication\|^Execing\|LimitNOFILE' || true
    wc -l <"$journal" >/tmp/seen
}
echo 0 >/tmp/seen
farewell() {
    systemctl stop application
    kill $(jobs -p) 2>/dev/null
    pkill -f '^/usr/bin/draftwire gateway' # also what an upgrade has started; the path is that of this day
    wait
}
systemctl start application
