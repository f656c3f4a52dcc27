# shellcheck shell=bash
# How a script tells what passed; read in by those that count single tests.

PASSED=0 FAILED=0 SKIPPED_TESTS=0

say() { printf '%s\n' "$*"; }
passed() { say "ok    $1"; ((PASSED += 1)); }
skipped() { say "skip  $1: $2"; ((SKIPPED_TESTS += 1)); }

# failed NAME [WORDS...]: the words say more, a line each.
failed() {
    say "FAIL  $1"
    shift
    (($# == 0)) || printf '%s\n' "$@" | sed 's/^/      | /'
    ((FAILED += 1))
}

# expect NAME COMMAND...: passes when COMMAND's status is 0; refused: when it is another one. The command runs in this shell.
expect() { judge 0 "$@"; }
refused() { judge 1 "$@"; }
judge() {
    local bad=$1 name=$2 out status; shift 2
    out=$(mktemp)
    "$@" >"$out" 2>&1; status=$?
    if (((status != 0) == bad)); then passed "$name"
    else failed "$name" "status $status of: $*" "$(tail -n 15 "$out")"; bad=2
    fi
    rm -f "$out"
    ((bad != 2))
}

# tally: the closing line; status 1 when a test failed.
tally() {
    say "$PASSED passed, $FAILED failed, $SKIPPED_TESTS skipped"
    ((FAILED == 0))
}
