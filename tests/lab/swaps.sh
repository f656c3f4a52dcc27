# shellcheck shell=bash
# Replaces the daemon while it runs; read in by lab scripts after daemon.sh.

# Another build of this version: it differs in a byte that means nothing.
builds=("$(command -v mainstay)" /run/other-build/mainstay)
mkdir /run/other-build
install -m 755 "${builds[0]}" "${builds[1]}"
echo >>"${builds[1]}"

# swap ARGS...: its report is in /run/swap.json.
swap() { mainstay swap --control "$CONTROL" --json --allow-same "$@" >/run/swap.json || { local status=$?; cat /run/swap.json; return "$status"; }; }
reported() { jq -er "$1" /run/swap.json; }
# swap_many COUNT: to the other build and back, COUNT times. Gives the pauses, in ms. Now and then the emulated machine gives a
# thread too little to end in time, or a program to take over in time, and the old one goes on: it tries again.
swap_many() {
    local n late=0
    : >/run/pauses
    for ((n = 1; n <= $1; n++)); do
        if swap "${builds[n % 2]}" >/run/swap.failed; then
            reported '.pause.total_us / 1000' >>/run/pauses || return
        elif [[ $(reported .why) =~ ^it\ did\ not\ commit\ within|^[0-9]+\ threads\ have\ something\ to\ do ]] && ((late++ < 4)); then
            n=$((n - 1))
        else
            cat /run/swap.failed
            return 1
        fi
    done
    echo "$late" >/run/late
}
