#!/usr/bin/env bash
# libiscsi's tools and its conformance suite against a served volume.
#
#   tests/conformance/libiscsi.sh             everything
#   tests/conformance/libiscsi.sh TEST...     only these tests of the suite (ALL.Read10.Simple), with all they print
#
# Each of the suite's tests runs in a process of its own, so that none inherits another's reservations or unit attentions.
# The suite counts what it skips as passed; here a test that prints [SKIPPED] was skipped. What each test must come to is in
# libiscsi.expected beside this script; anything else fails: a skip where a pass was is lost coverage, a pass where
# something else was means that the list is out of date.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/serve.sh
. tests/serve.sh
need iscsi-test-cu libiscsi-bin
EXPECTED=tests/conformance/libiscsi.expected
SUITE=(iscsi-test-cu --dataloss --verbose --Verbose-scsi)

# What a test came to, from the suite's output. What comes before it is the suite asking what the target can do; what comes after
# is the suite tidying up, with commands that it also calls skipped.
verdict() {
    awk '
        /^ *Test: / { seen = 1 }
        !seen { next }
        /\[SKIPPED\]/ { skip = 1 }
        /^FAILED$|\.\.\.FAILED$/ { print "fail"; seen = 2; exit }
        /^passed|\.\.\.passed/ { print skip ? "skip" : "pass"; seen = 2; exit }
        END { if (seen != 2) print "fail" }' "$1"
}

# one TEST: prints its verdict; its output is in $WORK/out.
one() {
    timeout 120 "${SUITE[@]}" -t "$1" "$URL" "$URL" >"$WORK/out" 2>&1
    local status=$?
    if ((status == 124)); then say "hang"; else verdict "$WORK/out"; fi
}

# suite VOLUME URL: what the list says about this volume.
suite() {
    local volume=$1 volumes test want reason got
    URL=$2
    while read -r volumes test want reason; do
        [[ ,$volumes, == *",$volume,"* ]] || continue
        got=$(one "$test")
        case $want/$got in
            pass/pass) ((PASSED += 1)) ;;
            skip/skip) skipped "$volume $test" "$reason" ;;
            wrong/fail) skipped "$volume $test" "the test is wrong: $reason" ;;
            */pass) failed "$volume $test" "passes now: say so in $EXPECTED" ;;
            *) failed "$volume $test" "should be $want, is $got:" "$(grep -E '\[SKIPPED\]|\[FAILED\]|^ +[0-9]+\. ' "$WORK/out" | head -n 12)" ;;
        esac
    done <"$EXPECTED"
}

truncate -s 64M "$WORK/read-only.img"
cat >"$WORK/config" <<TOML
[[portal]]
bind = "$ADDRESS"
[[volume]]
name = "file"
file = "file.img"
create = "256 MiB"
[[volume]]
name = "large"
memory = "256 MiB"
block_size = 4096
[[volume]]
name = "removable"
memory = "64 MiB"
removable = true
[[volume]]
name = "read-only"
file = "read-only.img"
read_only = true
[[target]]
name = "disks"
lun = [
  { number = 0, volume = "file" },
  { number = 1, volume = "large" },
  { number = 2, volume = "removable" },
  { number = 3, volume = "read-only" },
]
TOML
serve --config "$WORK/config"
URL=$(url 0)

if (($#)); then
    for test in "$@"; do say "$test: $(one "$test")"; cat "$WORK/out"; done
    exit
fi

TARGET=$(jq -r '.volumes[0].target' <<<"$READY")
lists_target() { iscsi-ls "iscsi://$ADDRESS" | grep -F "Target:$TARGET Portal:$ADDRESS,"; }
# The tool rounds down, from the last block's number.
lists_disk() { iscsi-ls -s "iscsi://$ADDRESS" | grep -E 'Lun:0 +Type:DIRECT_ACCESS \(Size:25[56]M\)'; }
is_disk() { iscsi-inq "$URL" | grep -F DIRECT_ACCESS; }
has_size() { iscsi-readcapacity16 "$URL" | grep -E 'Total size: *268435456'; }
expect "iscsi-ls lists the target" lists_target
expect "iscsi-ls sees a disk of its size" lists_disk
expect "iscsi-inq" is_disk
for page in 0 128 131 176 177 178; do expect "iscsi-inq, VPD page $page" iscsi-inq -e 1 -c "$page" "$URL"; done
expect "iscsi-readcapacity16" has_size
expect "iscsi-perf, sequential" timeout 30 iscsi-perf -t 2 -b 64 -m 16 "$URL"
expect "iscsi-perf, random" timeout 30 iscsi-perf -t 2 -b 8 -m 32 -r "$URL"

listed() { awk -v v="$1" '!/^#/ && index("," $1 ",", "," v ",") { print $2 }' "$EXPECTED" | sort; }
known() { iscsi-test-cu --list 2>/dev/null | awk -F. '$1 == "ALL" && NF == 3' | sort; }
# Another version of the suite has other tests; the list must say what they come to.
for volume in file large; do expect "the list names every test, for $volume" diff <(listed "$volume") <(known); done
for ((n = 0; n < 4; n++)); do suite "$(jq -r --argjson n $n '.volumes[$n].name' <<<"$READY")" "$(url $n)"; done
finish
