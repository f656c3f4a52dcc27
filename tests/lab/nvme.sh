#!/bin/bash
# The Linux kernel's NVMe/TCP host (nvme-cli, nvme-tcp) against the daemon, in the guest's own loopback: discovery, every command
# that can be sent by hand, a file system under fio, names that stay over a restart, resize, controllers that are reset, cut and
# kicked, native multipath, in-band authentication, twenty swaps, and the kernel's own opinion in its log.
#
#   tests/lab/lab run --bin build/release/mainstay --share-ro tests=tests tests/lab/nvme.sh [PART...]
#
# Parts: by-hand files cuts kinds access auth ways swaps; all of them unless some are named. SWAPS (20): how many swaps.
set -u
. /mnt/share/tests/lab/daemon.sh
. /mnt/share/tests/lab/host.sh
. /mnt/share/tests/lab/swaps.sh

parts=" ${*:-by-hand files cuts kinds access auth ways swaps} "
part() { [[ $parts == *" $1 "* ]] && lab_log "$2"; }

# Every hash, every group; the great groups take seconds here.
pairs=(SHA-{256,384,512}-{none,ffdhe2048,ffdhe3072} SHA-256-ffdhe4096 SHA-384-ffdhe6144 SHA-512-ffdhe8192)
second=$prefix:second-host second_id=11111111-2222-4333-8444-555555555555
as_second=(--hostnqn="$second" --hostid="$second_id")

# Keys as nvme-cli makes them; the host's and the controller's.
key() { nvme gen-dhchap-key --hmac="$1" --key-length="$2" --nqn="$me"; }
modprobe nvme-tcp
key=$(key 1 32) back=$(key 2 48) wrong=$(key 1 32)
# By the hash that transforms them, and their length.
declare -A kinds
for kind in 0-32 0-48 0-64 2-48 3-64; do kinds[$kind]=$(key "${kind%-*}" "${kind#*-}"); done
secrets=("$key" "$back" "$wrong" "${kinds[@]}")

cat >/run/mainstay.toml <<TOML
[[volume]]
name = "disk"
file = "/var/tmp/disk.img"
create = "192 MiB"
[[volume]]
name = "big-blocks"
memory = "64 MiB"
block_size = 4096
[[volume]]
name = "frozen"
file = "/var/tmp/frozen.img"
read_only = true
[[volume]]
name = "through"
file = "/var/tmp/through.img"
create = "32 MiB"
write_cache = false
[[volume]]
name = "secret"
memory = "32 MiB"

[nvme]
[[nvme.portal]]
bind = "127.0.0.1:4420"
name = "left"
[[nvme.portal]]
bind = "127.0.0.2:4420"
name = "right"
[[nvme.portal]]
bind = "[::1]:4420"
name = "six"
[[nvme.portal]]
bind = "127.0.0.1:8009"
name = "finder"
discovery_only = true

[[nvme.subsystem]]
name = "open"
namespace = [{ nsid = 1, volume = "disk" }, { nsid = 7, volume = "through" }]
[[nvme.subsystem]]
name = "big"
portals = ["left"]
namespace = [{ nsid = 1, volume = "big-blocks" }]
[[nvme.subsystem]]
name = "masked"
portals = ["left"]
namespace = [
    { nsid = 1, volume = "frozen" },
    { nsid = 2, volume = "secret", hosts = ["$second"] },
    { nsid = 3, volume = "through", read_only = true, hosts = ["$me"] },
]
[[nvme.subsystem]]
name = "lasting"
portals = ["left"]
namespace = [{ nsid = 1, volume = "through" }]
host = [{ name = "$me" }]
static_controllers = 1
[[nvme.subsystem]]
name = "others"
namespace = [{ nsid = 1, volume = "secret" }]
host = [{ name = "$prefix:somebody-else" }]

$(guarded() { printf '[[nvme.subsystem]]\nname = "%s"\nportals = ["left"]\nnamespace = [{ nsid = 1, volume = "secret" }]\nhost = [{ name = "%s" }]\ndhchap = { key = "%s"%s }\n' "$1" "$me" "$key" "$2"; }
guarded one-way ''
guarded both-ways ", controller_key = \"$back\""
for pair in "${pairs[@]}"; do
    guarded "${pair,,}" ", controller_key = \"$back\", hashes = [\"${pair%-*}\"], groups = [\"${pair##*-}\"]"
done
for kind in "${!kinds[@]}"; do key=${kinds[$kind]} guarded "key-$kind" ''; done)
TOML
sed 's/^\[nvme\]$/[nvme]\nio_queues = 1/' /run/mainstay.toml >/run/mainstay-one-queue.toml

restarted() { daemon_stop; daemon_start "${1:-/run/mainstay.toml}"; lab_wait 60 is_live "$CTRL"; }
# under_load FILE COMMAND...: fio goes on while COMMAND is done, and ends well.
under_load() {
    local fio
    verified "$1" 24M & fio=$!
    sleep 1.5
    "${@:2}" || return
    wait "$fio"
}
now() { mainstay status --control "$CONTROL" --json | jq -r "$1"; }
setting() { cat "/sys/block/${DISK#/dev/}/$1"; }
# told WHY: that is why the last login was refused, in the status and in the log.
told() { has "$(now '.refused_logins[-1] | "\(.step): \(.why)"')" "$1" && has "$(tail -n 3 /run/daemon.log)" "login refused: .*$1"; }
log_says() { dmesg --notime | grep -Eq -- "$1"; }

# ------------------------------------------------------------------------------------------------------------------
chmod 600 /run/mainstay*.toml
truncate -s 16M /var/tmp/frozen.img
lab_udev
daemon_start /run/mainstay.toml
dmesg -C

lab_log "discovery"
discover() { nvme discover -t tcp "$@"; }
for at in "127.0.0.1 4420" "127.0.0.1 8009" "::1 4420"; do
    found=$(discover -a "${at% *}" -s "${at#* }")
    expect "discovery at $at finds a subsystem" has "$found" "subnqn: +$prefix:open\$"
    expect "discovery at $at finds itself" has "$found" "current discovery subsystem"
    refused "discovery at $at hides what a host may not connect to" has "$found" "$prefix:others"
done
expect "every portal is told of" is "$(grep -A5 -B5 "$prefix:open\$" <<<"$found" | sed -n 's/^traddr: *//p' | sort | xargs)" "127.0.0.1 127.0.0.2 ::1"
expect "another host is told of less" is "$(discover -a 127.0.0.1 -s 8009 "${as_second[@]}" | sed -n 's/^subnqn: *//p' | sort -u | xargs)" \
    "$finder $prefix:big $prefix:masked $prefix:open"
all_connected() {
    nvme connect-all -t tcp -a 127.0.0.1 -s 8009 --nr-io-queues=1 "${as_second[@]}" || return
    local n
    for n in open big masked; do lab_wait 10 disk_of "$prefix:$n" || return; done
    is "$(controllers_of "$prefix:open" | wc -l) $(controllers_of "$prefix:big" | wc -l)" "3 1"
}
expect "connect-all connects by every portal" all_connected
lab_wait 10 disk_of "$prefix:masked" 2
expect "namespaces meant for another host are not there" is "$(disk_of "$prefix:masked" 2 | wc -l) $(disk_of "$prefix:masked" 3 | wc -l)" "1 0"
expect "disconnect-all" nvme disconnect-all
expect "the kernel is content with discovery" quiet

if part by-hand "commands by hand"; then
    . /mnt/share/tests/lab/nvme-by-hand.sh
fi
if part files "a file system"; then
    expect "connect" connect open || lab_end
    mkdir -p /mnt/disk
    expect "mkfs.ext4" mkfs.ext4 -q "$DISK"
    expect "mount" mount -o discard "$DISK" /mnt/disk
    expect "fio on ext4, verified" verified /mnt/disk/file
    expect "removing a file discards it" bash -c 'rm /mnt/disk/file && sync'
    expect "fstrim" fstrim /mnt/disk
    expect "the kernel is content with a file system" quiet

    lab_log "names and resize"
    by_id() {
        for link in /dev/disk/by-id/nvme-*; do
            if [[ $(readlink -f "$link") == "$DISK" ]]; then echo "$link"; fi
        done
    }
    named() { echo "$(by_id) $(cat "/sys/block/${DISK#/dev/}/"{uuid,nguid,wwid} "/sys/class/nvme/${CTRL#/dev/}/"{serial,model})"; }
    names=$(named)
    expect "udev makes names of the UUID and of the serial number" has "$(by_id | xargs)" "/nvme-Mainstay_[0-9A-F]{20} .*/nvme-uuid\.[0-9a-f-]{36}"
    expect "mainstay resize" mainstay resize --control "$CONTROL" disk 256M
    expect "the kernel sees the new size by itself" lab_wait 10 bash -c "[[ \$(blockdev --getsize64 $DISK) == $((256 << 20)) ]]"
    expect "the file system grows with it" resize2fs "$DISK"
    expect "fio on what it grew to" verified /mnt/disk/file 32M
    expect "ns-rescan" nvme ns-rescan "$CTRL"
    expect "the list of changed namespaces has been read" has "$(nvme changed-ns-list-log "$CTRL")" "no ns changed"
    expect "the kernel is content with a new size" quiet
    expect "a restarted daemon gets its controller back, under load" under_load /mnt/disk/file restarted
    udevadm settle
    expect "the names are the same after the restart" is "$(named)" "$names"
    expect "umount" umount /mnt/disk
    expect "e2fsck" e2fsck -f -n "$DISK"
    expect "disconnect" disconnect open
    expect "connect" connect open
    expect "the names are the same after a new connection" is "$(named)" "$names"
    expect "disconnect" disconnect open
    dmesg -C
fi
if part cuts "controllers that are reset, cut and kicked, under load"; then
    expect "connect" connect open || lab_end
    expect "reset" under_load "$DISK" nvme reset "$CTRL"
    # The daemon never learns that the connections are gone: their packets get lost. The host comes back with new ones.
    lost() {
        local port
        nft add table inet lab
        nft add chain inet lab out '{ type filter hook output priority 0; }'
        for port in $(ss -Htn state established 'dport = :4420' | awk '{ sub(/.*:/, "", $3); print $3 }'); do
            nft add rule inet lab out tcp sport "$port" tcp dport 4420 drop
            nft add rule inet lab out tcp sport 4420 tcp dport "$port" drop
        done
        ss -K 'dport = :4420' >/dev/null
        lab_wait 20 log_says 'Reconnecting in|reconnect' && lab_wait 30 is_live "$CTRL"
    }
    expect "a controller whose connections were lost" under_load "$DISK" lost
    nft flush ruleset
    dmesg -C
    expect "the daemon forgets the lost one when it has been silent for too long" lab_wait 30 \
        bash -c "[[ \$(mainstay status --control $CONTROL --json | jq '.nvme.controllers | length') == 1 ]]"
    kicked() {
        mainstay kick --control "$CONTROL" "$(now '.nvme.controllers[0].id')" && lab_wait 20 log_says 'econnect' && lab_wait 30 is_live "$CTRL"
    }
    expect "a kicked controller comes back" under_load "$DISK" kicked
    queue_kicked() {
        dmesg -C
        mainstay kick --control "$CONTROL" "$(now '.nvme.controllers[0].queues[1].id')" && lab_wait 20 log_says 'econnect' && lab_wait 30 is_live "$CTRL"
    }
    expect "a controller comes back when a queue of it is kicked" under_load "$DISK" queue_kicked
    queues() { is "$(now '.nvme.controllers[0].queues | length')" "$1"; }
    fewer() { restarted /run/mainstay-one-queue.toml && lab_wait 10 queues 2; }
    expect "it comes back with fewer queues" under_load "$DISK" fewer
    more() { restarted && lab_wait 10 queues 3; }
    expect "and with more" under_load "$DISK" more
    disconnected() { nvme disconnect -n "$prefix:open" >/dev/null; }
    # A load without an end of its own, however fast the machine is.
    ends_with_the_disk() {
        local load
        while dd if="$DISK" of=/dev/null bs=64k count=64 iflag=direct 2>/dev/null; do :; done & load=$!
        sleep 1.5
        kill -0 "$load" && disconnected && lab_wait 10 bash -c "! kill -0 $load 2>/dev/null"
    }
    expect "a disconnect under load ends the load" ends_with_the_disk
    expect "the disk is gone" lab_wait 10 bash -c "! nvme list-subsys | grep -q $prefix:open"
    quickly() { connect open && disconnect open; }
    for n in 1 2 3; do expect "connected and at once disconnected, $n" quickly; done
    expect "connect to a static controller" connect lasting
    expect "there is only one" not_connected lasting --duplicate-connect
    expect "is told as the reason" told "every controller .* is taken"
    expect "a static controller comes back under load" under_load "$DISK" restarted
    expect "disconnect" disconnect lasting
    refused "nothing went wrong but what was cut" log_says 'BUG|WARNING|blocked for more|digest|unexpected|bogus|invalid'
    dmesg -C
fi

if part kinds "digests, large blocks, queues"; then
    for options in --hdr-digest --data-digest "--hdr-digest --data-digest" "--nr-io-queues=1 --queue-size=16" \
        "--nr-io-queues=1 --nr-write-queues=1 --nr-poll-queues=1" --disable-sqflow at=::1; do
        name=big; [[ $options != at=* ]] || name=open
        # shellcheck disable=SC2086  # several words
        expect "connect $options" connect "$name" $options || continue
        case $options in
            *-digest*)
                expect "the digests are in use" is "$(now '.nvme.controllers[0].queues[1] | "\(.header_digest) \(.data_digest)"')" \
                    "$([[ $options == *hdr* ]] && echo true || echo false) $([[ $options == *data* ]] && echo true || echo false)" ;;
            *queue-size*) expect "the queue is that short" is "$(now '.nvme.controllers[0].queues[1].size')" 16 ;;
            *poll*) expect "three queues of three kinds" is "$(now '.nvme.controllers[0].queues | length')" 4 ;;
        esac
        [[ $name != big ]] || expect "logical block of 4096" is "$(setting queue/logical_block_size)" 4096
        expect "fio, verified" verified "$DISK" 8M
        expect "disconnect" disconnect "$name"
    done
    expect "the kernel is content with all of it" quiet

    lab_log "a discovery controller that stays"
    stays() { nvme discover -t tcp -a 127.0.0.1 -s 8009 --persistent --keep-alive-tmo=2; }
    expect "discovery that stays" has "$(stays)" "$prefix:open"
    CTRL=/dev/$(controllers_of "$finder")
    generation=$(nvme discover -d "${CTRL#/dev/}" -o json 2>/dev/null | jq .genctr)
    sleep 5
    expect "it is kept alive" is_live "$CTRL"
    expect "the daemon sees it" is "$(now '.nvme.controllers[] | select(.subsystem == null) | .keep_alive_ms')" 2000
    expect "asked again it says the same" is "$(nvme discover -d "${CTRL#/dev/}" -o json 2>/dev/null | jq .genctr)" "$generation"
    expect "id-ctrl" has "$(nvme id-ctrl "$CTRL" -H)" "Discovery Controller"
    expect "it tells of changes" has "$(nvme get-feature "$CTRL" -f 0xb)" "value:0x80000000"
    expect "the kernel is content with it" quiet
    skipped "an event when discovery changes" "what is served does not change while the daemon runs"
    nvme disconnect-all
fi

if part access "who may connect"; then
    expect "a name that is not there" not_connected nonsense
    expect "is told as the reason" told "no subsystem of that name"
    expect "a host that is not on the list" not_connected others
    expect "is told as the reason" told "not on the subsystem's list"
    expect "a subsystem that is not on this portal" not_connected big at=127.0.0.2
    expect "is told as the reason" told "no subsystem of that name"
    expect "nobody is connected" is "$(now '.nvme.controllers | length')" 0
    dmesg -C
    expect "connect" connect masked
    expect "the kernel sees that it is read-only" is "$(blockdev --getro "$DISK")" 1
    expect "it can be read" dd if="$DISK" of=/dev/null bs=1M count=4 status=none
    refused "a write is refused" nvme write "$DISK" -s 0 -c 0 -z 512 -d /dev/zero
    lab_wait 10 disk_of "$prefix:masked" 3
    expect "only namespaces meant for this host are there" is "$(nvme list-ns "$CTRL" | grep -o '0x.*' | xargs)" "0x1 0x3"
    expect "one is read-only here alone" is "$(blockdev --getro "/dev/$(disk_of "$prefix:masked" 3)")" 1
    expect "another one is told of as nothing" has "$(nvme id-ns "$CTRL" -n 2 --force)" "^nsze +: 0\$"
    expect "disconnect" disconnect masked
    dmesg -C
fi

if part auth "in-band authentication"; then
    proof() { has "$(now '.nvme.controllers[-1].auth')" "$1"; }
    # With one I/O queue: every queue proves itself, and the great groups take their time here.
    secret() { local name=$1; shift; connect "$name" --nr-io-queues=1 "$@"; }
    for pair in "${pairs[@]}"; do
        group=${pair##*-}
        expect "$pair, both ways" secret "${pair,,}" --dhchap-secret="$key" --dhchap-ctrl-secret="$back" || continue
        expect "is what was agreed" proof "DH-HMAC-CHAP \\(${pair%-*}, ${group/none/.*}, mutual\\)"
        expect "disconnect" disconnect "${pair,,}"
    done
    expect "one way" secret one-way --dhchap-secret="$key"
    expect "is what was agreed" proof "DH-HMAC-CHAP \(SHA-[0-9]+, [a-z0-9]+\)"
    expect "fio, verified" verified "$DISK" 8M
    expect "disconnect" disconnect one-way
    expect "one way where both are possible" secret both-ways --dhchap-secret="$key"
    expect "disconnect" disconnect both-ways
    expect "the kernel is content with all of it" quiet
    expect "wrong key" not_connected both-ways --dhchap-secret="$wrong"
    expect "is told" told "wrong key"
    expect "no key" not_connected both-ways
    expect "is told" told "ended before the host had proved"
    expect "the controller's key is wrong" not_connected both-ways --dhchap-secret="$key" --dhchap-ctrl-secret="$wrong"
    expect "is told" told "the host refused"
    expect "the controller has no key" not_connected one-way --dhchap-secret="$key" --dhchap-ctrl-secret="$back"
    expect "is told" told "no controller key"
    expect "a reflected key" not_connected both-ways --dhchap-secret="$key" --dhchap-ctrl-secret="$key"
    expect "nobody is connected" is "$(now '.nvme.controllers | length')" 0
    dmesg -C
    expect "both ways, two queues" connect both-ways --dhchap-secret="$key" --dhchap-ctrl-secret="$back"
    again() {
        dmesg -C
        echo "$key" >"/sys/class/nvme/${CTRL#/dev/}/dhchap_secret" && lab_wait 30 log_says 're-authenticating' && sleep 3 && is_live "$CTRL"
    }
    expect "authentication again, under load" under_load "$DISK" again
    refused "the kernel saw nothing wrong" log_says 'failed|error|reset'
    expect "disconnect" disconnect both-ways
    for kind in "${!kinds[@]}"; do
        expect "a key of ${kind#*-} bytes, transformed by hash ${kind%-*}" secret "key-$kind" --dhchap-secret="${kinds[$kind]}"
        expect "disconnect" disconnect "key-$kind"
    done
    refused "no secret in the daemon's log or events" grep -Fq "$(printf '%s\n' "${secrets[@]}")" /run/daemon.log /run/events
    dmesg -C
fi

if part ways "two ways to a disk"; then
    expect "connect on one way" connect open
    left=${CTRL#/dev/}
    expect "and on another" connect open at=127.0.0.2
    right=${CTRL#/dev/}
    expect "there is one disk" is "$(lsblk -dno NAME | grep -c nvme)" 2
    way() { cat /sys/class/nvme/"$1"/nvme*c*n1/ana_state; }
    way_is() { [[ $(way "$1") == "$2" ]]; }
    set_way() { mainstay path set --control "$CONTROL" "$1" "$2" && lab_wait 10 way_is "${!1}" "$2"; }
    expect "both are optimized" is "$(way "$left") $(way "$right")" "optimized optimized"
    there_and_back() {
        set_way left inaccessible && sleep 0.5 && set_way left optimized && set_way right inaccessible && sleep 0.5 || return
        # Neither way leads there: the kernel waits.
        set_way left inaccessible && sleep 1 && set_way right non-optimized && sleep 0.5 && set_way left change && sleep 0.5 || return
        set_way left persistent-loss && sleep 0.5 && set_way left optimized && set_way right optimized
    }
    expect "ways change under load, without an error" under_load "$DISK" there_and_back
    expect "ana-log of a way" has "$(nvme ana-log "/dev/$left")" "chgcnt.*[1-9]"
    expect "the kernel is content with ways that change" quiet
    one_kicked() {
        mainstay kick --control "$CONTROL" "$(now ".nvme.controllers[] | select(.cntlid == $(<"/sys/class/nvme/$1/cntlid")) | .id")" &&
            lab_wait 20 log_says "$1: .*econnect" && lab_wait 20 is_live "$left" "$right"
    }
    expect "a way is cut under load" under_load "$DISK" one_kicked "$left"
    expect "and the other one" under_load "$DISK" one_kicked "$right"
    # Of a path the kernel may say so; of the disk it may not.
    refused "no error came through" log_says 'I/O error, dev nvme[0-9]+n[0-9]+,'
    dmesg --notime | grep 'I/O error' | head -3 | sed 's/^/      /'
    expect "disconnect" disconnect open
    dmesg -C
fi

swaps=${SWAPS:-20}
if part swaps "$swaps swaps under load"; then
    # A rehearsal takes the emulated processors for seconds.
    patient=--keep-alive-tmo=20
    expect "connect on two ways" connect open $patient
    expect "connect" connect open at=127.0.0.2 $patient
    files=$DISK
    expect "connect with keys and digests" connect both-ways $patient --dhchap-secret="$key" --dhchap-ctrl-secret="$back" --hdr-digest --data-digest
    guarded=$DISK
    nvme discover -t tcp -a 127.0.0.1 -s 8009 --persistent $patient >/dev/null
    mkdir -p /mnt/disk
    expect "mkfs.ext4" mkfs.ext4 -q "$files"
    expect "mount" mount "$files" /mnt/disk
    identity() {
        associations
        echo "process $DAEMON, $(grep -c '"event":"login"' /run/events) logins"
        stat -c "%n %t:%T" "$files" "$guarded"
        kill -0 "$DAEMON"
    }
    before=$(identity)
    dmesg -C
    hammer files /mnt/disk/file & of_files=$!
    hammer guarded "$guarded" & of_guarded=$!
    sleep 2
    expect "$swaps swaps" swap_many "$swaps"
    touch /run/enough
    all_passed() { wait "$of_files" && wait "$of_guarded" && (($(</run/rounds.files) > 0 && $(</run/rounds.guarded) > 0)); }
    expect "every byte that fio wrote is what it read" all_passed
    say "      fio rounds: $(cat /run/rounds.* | xargs), too slow and tried again: $(</run/late); pauses in ms (emulated): $(sort -n /run/pauses | xargs)"
    expect "same process, controllers, connections; no login" is "$(identity)" "$before"
    expect "the kernel has noticed nothing" quiet
    expect "a way changes after the swaps" mainstay path set --control "$CONTROL" left inaccessible
    expect "and the host is told" lab_wait 10 grep -q inaccessible /sys/class/nvme/nvme*/nvme*c*n1/ana_state
    expect "umount" umount /mnt/disk
    expect "e2fsck" e2fsck -f -n "$files"
    expect "the kernel is content to the end" quiet
    nvme disconnect-all
fi
lab_end
