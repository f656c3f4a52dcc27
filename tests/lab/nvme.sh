#!/bin/bash
# The Linux kernel's NVMe/TCP host (nvme-cli, nvme-tcp) against the daemon, in the guest's own loopback: discovery, every command
# that can be sent by hand, a file system under fio, names that stay over a restart, resize, controllers that are reset, cut and
# kicked, native multipath, in-band authentication, twenty swaps, and the kernel's own opinion in its log.
#
#   tests/lab/lab run --bin build/release/mainstay --share-ro tests=tests tests/lab/nvme.sh [PART...]
#
# Parts: by-hand files cuts kinds access auth ways swaps; all of them unless some are named.
set -u
. /mnt/share/tests/lab/daemon.sh
. /mnt/share/tests/lab/host.sh
. /mnt/share/tests/lab/swaps.sh

parts=" ${*:-by-hand files cuts kinds access auth ways swaps} "
part() { [[ $parts == *" $1 "* ]] && lab_log "$2"; }

hashes=(SHA-256 SHA-384 SHA-512) groups=(none ffdhe2048 ffdhe3072 ffdhe4096 ffdhe6144 ffdhe8192)
second=$prefix:second-host second_id=11111111-2222-4333-8444-555555555555
as_second=(--hostnqn="$second" --hostid="$second_id")

# Keys as nvme-cli makes them; the host's and the controller's.
key() { nvme gen-dhchap-key --hmac="$1" --key-length="$2" --nqn="$me"; }
modprobe nvme-tcp
key=$(key 1 32) back=$(key 2 48) wrong=$(key 1 32)
secrets=("$key" "$back" "$wrong")

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
create = "16 MiB"
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
namespace = [{ nsid = 1, volume = "big-blocks" }]
host = [{ name = "$me" }]
static_controllers = 1
[[nvme.subsystem]]
name = "others"
namespace = [{ nsid = 1, volume = "secret" }]
host = [{ name = "$prefix:somebody-else" }]

$(guarded() { printf '[[nvme.subsystem]]\nname = "%s"\nportals = ["left"]\nnamespace = [{ nsid = 1, volume = "secret" }]\nhost = [{ name = "%s" }]\ndhchap = { key = "%s"%s }\n' "$1" "$me" "$key" "$2"; }
guarded one-way ''
guarded both-ways ", controller_key = \"$back\""
for hash in "${hashes[@]}"; do for group in "${groups[@]}"; do
    guarded "${hash,,}-$group" ", controller_key = \"$back\", hashes = [\"$hash\"], groups = [\"$group\"]"
done; done)
TOML
sed 's/^\[nvme\]$/[nvme]\nio_queues = 1/' /run/mainstay.toml >/run/mainstay-one-queue.toml

now() { mainstay status --control "$CONTROL" --json | jq -r "$1"; }
setting() { cat "/sys/block/${DISK#/dev/}/$1"; }
# told WORDS COMMAND...: the kernel's log says it when COMMAND is done.
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
    restarted() { daemon_stop; daemon_start "${1:-/run/mainstay.toml}"; lab_wait 30 is_live "$CTRL"; }
    under_load() {
        local fio
        verified /mnt/disk/file 24M & fio=$!
        sleep 1.5
        "$@" || return
        wait "$fio"
    }
    expect "a restarted daemon gets its controller back, under load" under_load restarted
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
lab_end
