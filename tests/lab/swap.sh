#!/bin/bash
# The daemon is replaced while the kernel's initiator works: a mounted ext4 and a disk with CHAP and digests, both under fio
# that reads back what it wrote, through twenty swaps. Neither the kernel's log nor its sessions may know of it. Then a store that
# hangs in the kernel: a swap is refused in time, the daemon goes on, and the other disks notice nothing. Then programs that fail
# when they have taken over, if there is a `mainstay-next` (feature `next`): the old one comes back, and nobody notices either.
#
#   tests/lab/lab run --bin build/release/mainstay --bin mainstay-next=FILE --share-ro tests=tests tests/lab/swap.sh [SWAPS]
set -u
. /mnt/share/tests/lab/daemon.sh
. /mnt/share/tests/lab/initiator.sh
. /mnt/share/tests/lab/swaps.sh

swaps=${1:-20}
secret=plain-secret-12 back=other-secret-34

cat >/run/mainstay.toml <<TOML
[[portal]]
bind = "127.0.0.1:3260"

[[volume]]
name = "files"
file = "/var/tmp/files.img"
create = "96 MiB"
[[volume]]
name = "guarded"
memory = "64 MiB"
[[volume]]
name = "slow"
device = "/dev/mapper/slow"

[[target]]
name = "files"
lun = [{ number = 0, volume = "files" }]
[[target]]
name = "guarded"
lun = [{ number = 0, volume = "guarded" }]
chap = { user = "alice", secret = "$secret", mutual = { user = "disk", secret = "$back" } }
[[target]]
name = "slow"
lun = [{ number = 0, volume = "slow" }]
TOML
chmod 600 /run/mainstay.toml

# What no swap may change.
identity() {
    sessions
    echo "process $DAEMON, $(grep -c '"event":"login"' /run/events) logins"
    kill -0 "$DAEMON"
}
all_passed() { wait "$1" && wait "$2" && (($(</run/rounds.files) > 0 && $(</run/rounds.guarded) > 0)); }

# ------------------------------------------------------------------------------------------------------------------
lab_udev
lab_iscsid
modprobe -a dm_mod loop
truncate -s 64M /var/tmp/slow.img
head -c 8M /dev/urandom | dd of=/var/tmp/slow.img conv=notrunc status=none
dmsetup create slow --table "0 131072 linear $(losetup --find --show /var/tmp/slow.img) 0"
export MAINSTAY_TEST_FAULT=/run/fault          # a release knows nothing of it
daemon_start /run/mainstay.toml

lab_log "sessions"
expect "login" login files || lab_end
files=$DISK
# shellcheck disable=SC2046  # several words each
expect "login with mutual CHAP and digests" login guarded $(chap alice $secret) $(chap_back disk $back) $(digests CRC32C CRC32C) || lab_end
guarded=$DISK
expect "login to a device" login slow || lab_end
slow=$DISK
mkdir -p /mnt/files
expect "mkfs.ext4" mkfs.ext4 -q "$files"
expect "mount" mount "$files" /mnt/files
quiet >/dev/null
before=$(identity)

lab_log "$swaps swaps under load"
hammer files /mnt/files/file & of_files=$!
hammer guarded "$guarded" & of_guarded=$!
sleep 2
expect "$swaps swaps" swap_many "$swaps"
touch /run/enough
expect "every byte that fio wrote is what it read" all_passed "$of_files" "$of_guarded"
say "      fio rounds: $(cat /run/rounds.* | xargs), too slow and tried again: $(</run/late); pauses in ms (emulated): $(sort -n /run/pauses | xargs)"
expect "same process, sessions, connections; no login" is "$(identity)" "$before"
expect "the kernel has noticed nothing" quiet
history=$(mainstay status --control "$CONTROL" --json | jq '[.swaps[] | select(.outcome == "done")] | length')
expect "the daemon remembers its swaps" is "$history" "$swaps"

lab_log "a store that hangs in the kernel"
stuck() { grep -lq '^State:.D' /proc/"$DAEMON"/task/*/status; }
rm /run/enough /run/rounds.*
hammer files /mnt/files/file & of_files=$!
hammer guarded "$guarded" & of_guarded=$!
dmsetup suspend --noflush --nolockfs slow
dd if="$slow" of=/run/slow.read bs=1M count=8 iflag=direct status=none & reader=$!
expect "a read of it does not come back" lab_wait 10 stuck
begun=${EPOCHREALTIME/./}
refused "a swap is refused" swap --deadline 1s
took=$(((${EPOCHREALTIME/./} - begun) / 1000))
say "      after $took ms: $(reported .why)"
expect "it names the volume" has "$(reported .why)" '"slow"'
expect "and the read is still stuck" stuck
dmsetup resume slow
expect "the read ends well" wait "$reader"
expect "with the bytes of the disk" cmp /run/slow.read <(head -c 8M /var/tmp/slow.img)
touch /run/enough
expect "the other disks went on" all_passed "$of_files" "$of_guarded"
expect "now a swap is done" swap
expect "same process, sessions, connections; no login" is "$(identity)" "$before"
expect "the kernel has noticed nothing" quiet

if command -v mainstay-next >/dev/null; then
    lab_log "the next version, which fails when it has taken over"
    # rolled_back FAULT: the swap comes back with its status, having met the fault.
    rolled_back() {
        echo "adopt $1" >/run/fault
        mainstay swap --control "$CONTROL" --json "$(command -v mainstay-next)" >/run/swap.json
        is "$? $(reported .step) $(ls /run/fault* 2>/dev/null)" "5 adopt /run/fault.hit" || { cat /run/swap.json; return 1; }
    }
    rm /run/enough /run/rounds.*
    hammer files /mnt/files/file & of_files=$!
    hammer guarded "$guarded" & of_guarded=$!
    for fault in error panic segv abort overflow hang; do
        expect "rolled back: $fault" rolled_back "$fault"
        say "      $(reported .why)"
    done
    rm -f /run/fault*
    expect "a swap to it" swap "$(command -v mainstay-next)"
    expect "and back" swap --allow-downgrade "${builds[0]}"
    touch /run/enough
    expect "every byte that fio wrote is what it read" all_passed "$of_files" "$of_guarded"
    expect "same process, sessions, connections; no login" is "$(identity)" "$before"
    expect "the kernel has noticed nothing" quiet
fi

lab_log "the end"
expect "umount" umount /mnt/files
expect "e2fsck" e2fsck -f -n "$files"
for target in files guarded slow; do expect "logout" logout "$target"; done
expect "the kernel is content to the end" quiet
refused "no secret in the daemon's log or events" grep -Eq "$secret|$back" /run/daemon.log /run/events
lab_end
