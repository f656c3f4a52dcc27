# shellcheck shell=bash
# Starts the daemon under test on loopback; read in by scripts that test it with real initiators.
#
# Sets WORK, a folder that goes with the script. MAINSTAY_BIN names the binary, build/release/mainstay unless it is set.

. tests/need.sh
MAINSTAY=$(realpath -- "${MAINSTAY_BIN:-build/release/mainstay}")
[[ -x $MAINSTAY ]] || { say "no $MAINSTAY: cargo build --release"; exit 1; }
need jq jq
WORK=$(mktemp -d "${TMPDIR:-/tmp}/mainstay-test.XXXXXX")
DAEMON=''

# How long the daemon may take to start and to stop, in seconds.
PATIENCE=20

cleanup() {
    unserve || :
    rm -rf -- "$WORK"
}
trap cleanup EXIT
trap 'exit 143' TERM INT HUP

# port_free: a TCP port of 127.0.0.1 that nobody listens on.
port_free() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

ADDRESS=127.0.0.1:$(port_free)

# serve ARGS...: runs `mainstay serve ARGS` at ADDRESS, or as a --config says, until unserve. Sets READY, its ready line.
serve() {
    local waited=0 at=(--iscsi "$ADDRESS")
    [[ " $* " != *" --config "* ]] || at=()
    : >"$WORK/events"
    "$MAINSTAY" serve --json "${at[@]}" --state-dir "$WORK/state" --control "$WORK/control" "$@" \
        >"$WORK/events" 2>>"$WORK/daemon.log" </dev/null &
    DAEMON=$!
    until READY=$(head -n 1 "$WORK/events") && [[ $READY == *'}' ]]; do
        if ! kill -0 "$DAEMON" 2>/dev/null || ((waited++ > PATIENCE * 20)); then
            say "mainstay serve $* did not start:"
            tail -n 20 "$WORK/daemon.log" "$WORK/events"
            exit 1
        fi
        sleep 0.05
    done
}

# unserve: asks the daemon to stop. A status other than 0, or no end in time, is a failed test.
unserve() {
    local pid=$DAEMON i status
    [[ -n $pid ]] || return 0
    DAEMON=''
    kill -TERM "$pid" 2>/dev/null
    for ((i = 0; i < PATIENCE * 20; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    if kill -KILL "$pid" 2>/dev/null; then failed "the daemon stops on SIGTERM" "still there after $PATIENCE s"; return 1; fi
    wait "$pid"; status=$?
    ((status == 0)) || failed "the daemon stops on SIGTERM" "status $status" "$(tail -n 20 "$WORK/daemon.log")"
}

# url N [USER%SECRET@]: the iscsi:// address of the Nth volume that is served, from 0.
url() {
    jq -r --argjson n "$1" --arg who "${2:-}" '.volumes[$n] | "iscsi://\($who)\(.portal)/\(.target)/\(.lun)"' <<<"$READY"
}

# finish: ends the daemon and the script.
finish() {
    unserve || :
    tally
    exit
}
