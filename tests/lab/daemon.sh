# shellcheck shell=bash
# The daemon under test, in the guest; read in by lab scripts. The binary is the first `mainstay` in PATH.
# shellcheck source=tests/lab/guest/lib.sh
. "$LAB_LIB"
# shellcheck source=tests/verdict.sh
. /mnt/share/tests/verdict.sh

CONTROL=/run/mainstay/control.sock STATE=/var/lib/mainstay DAEMON=''

# daemon_start CONFIG: serves, and waits for the ready line. Its events go to /run/events, its log to /run/daemon.log.
daemon_start() {
    local before
    mkdir -p "${CONTROL%/*}"
    : >>/run/events
    before=$(starts)
    mainstay serve --json --config "$1" --state-dir "$STATE" --control "$CONTROL" >>/run/events 2>>/run/daemon.log </dev/null &
    DAEMON=$!
    lab_wait 30 started_or_gone "$before"
    started_since "$before" && return
    tail -n 20 /run/events /run/daemon.log
    tally
    exit 1
}
starts() { grep -c '"event":"ready"' /run/events; }
started_or_gone() { started_since "$1" || gone "$DAEMON"; }
started_since() { (($(starts) > $1)); }

# daemon_stop [SIGNAL]: TERM unless said otherwise; then the daemon must end by itself with status 0.
daemon_stop() {
    local signal=${1:-TERM} status
    kill "-$signal" "$DAEMON"
    lab_wait 30 gone "$DAEMON" || kill -KILL "$DAEMON"
    wait "$DAEMON" 2>/dev/null; status=$?
    DAEMON=''
    [[ $signal != TERM || $status == 0 ]] || failed "the daemon stops on SIGTERM" "status $status" "$(tail -n 20 /run/daemon.log)"
}
gone() { ! kill -0 "$1" 2>/dev/null; }

# lab_end: shows the daemon's log when something failed, and closes.
lab_end() {
    [[ -z $DAEMON ]] || daemon_stop
    ((FAILED == 0)) || { say "---- the daemon's log:"; tail -n 60 /run/daemon.log; }
    tally
    exit
}
