#!/bin/bash
# What was acknowledged as durable survives a power cut: run in the lab, on a file store on ext4 and on a device store, under FUA, under
# SYNCHRONIZE CACHE, and with the write cache off. The workload is the kernel initiator's; cut.py beside this script says what a
# cut is. Then the same with a build that leaves the fsync out, which must be seen to lose data: else this test proves nothing.
#
#   tests/lab/lab run --bin build/release/mainstay --bin mainstay-sabotaged=... --share-ro tests=tests tests/durability/durability.sh
set -u
. /mnt/share/tests/lab/daemon.sh

tool=/mnt/share/tests/durability/cut.py
target=iqn.2026-11.internal.mainstay:disk
volume=$((32 << 20)) disk=$((64 << 20)) log=$((768 << 20))
seconds=4
cd /dev/shm || exit 1

# Nothing gets to the disk by the kernel's own clock: only what the daemon flushes does.
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
echo 90 >/proc/sys/vm/dirty_ratio
echo 80 >/proc/sys/vm/dirty_background_ratio

# config PATH-KEY PATH WRITE-CACHE
config() {
    cat >/run/durability.toml <<TOML
[[volume]]
name = "disk"
$1 = "$2"
write_cache = $3
[[target]]
name = "disk"
lun = [{ number = 0, volume = "disk" }]
TOML
}

attach() {
    iscsiadm -m discovery -t sendtargets -p 127.0.0.1 >/dev/null && iscsiadm -m node -T "$target" --login >/dev/null &&
        lab_wait 20 lab_iscsi_disk "$target" && DISK=/dev/$(lab_iscsi_disk "$target") && udevadm settle
}
detach() { iscsiadm -m node -T "$target" --logout >/dev/null; }
mounted() { mount -t ext4 -o commit=3600 "$1" /mnt/store; }

# store KIND: makes `before`, a disk image as it is when all begins.
store() {
    rm -f before base log
    truncate -s "$disk" before
    [[ $1 == file ]] || return 0
    mkfs.ext4 -q before && mount -o loop before /mnt/store && truncate -s "$volume" /mnt/store/disk.img && umount /mnt/store
}

# run_workload KIND MODE: leaves `log`, and what must be there at each cut in cuts/.
run_workload() {
    local kind=$1 mode=$2 base_dev log_dev cache=true
    [[ $mode != through ]] || cache=false
    store "$kind" || return
    cp --sparse=always before base
    truncate -s "$log" log
    base_dev=$(losetup -f --show base) log_dev=$(losetup -f --show log)
    dmsetup create cut --table "0 $((disk / 512)) log-writes $base_dev $log_dev" || return
    if [[ $kind == file ]]; then
        mounted /dev/mapper/cut || return
        config file /mnt/store/disk.img "$cache"
    else
        config device /dev/mapper/cut "$cache"
    fi
    rm -rf cuts "$STATE"
    daemon_start /run/durability.toml
    attach || return
    case $mode/$(cat "/sys/block/${DISK#/dev/}/queue/write_cache")/$(cat "/sys/block/${DISK#/dev/}/queue/fua") in
        fua/write\ back/1 | sync/write\ back/* | through/write\ through/*) ;;
        *) say "the disk's write cache is not what this mode needs"; return 1 ;;
    esac
    python3 "$tool" write "$DISK" "$mode" "$seconds" cuts cut || return
    detach
    daemon_stop KILL
    [[ $kind == device ]] || umount /mnt/store
    dmsetup remove --retry cut
    losetup -d "$base_dev" "$log_dev"
}

# at_cut KIND MARK: the store as it is after that cut, verified.
at_cut() {
    local status
    cp --sparse=always before after && python3 "$tool" replay log after "$2" || return
    if [[ $1 == device ]]; then python3 "$tool" verify after cuts "$2"; return; fi
    mount -o loop after /mnt/store || return
    python3 "$tool" verify /mnt/store/disk.img cuts "$2"; status=$?
    umount /mnt/store
    return "$status"
}

# cold_start KIND MARK: a new daemon on what is left after that cut, read by the initiator.
cold_start() {
    local status device
    cp --sparse=always before after && python3 "$tool" replay log after "$2" || return
    device=$(losetup -f --show after)
    if [[ $1 == file ]]; then
        mount "$device" /mnt/store
        config file /mnt/store/disk.img true
    else
        config device "$device" true
    fi
    rm -rf "$STATE"
    daemon_start /run/durability.toml
    attach && python3 "$tool" verify "$DISK" cuts "$2"; status=$?
    detach
    daemon_stop
    [[ $1 == device ]] || umount /mnt/store
    losetup -d "$device"
    return "$status"
}

reset() {
    [[ -z $DAEMON ]] || daemon_stop KILL
    iscsiadm -m node -T "$target" --logout >/dev/null 2>&1
    umount /mnt/store 2>/dev/null
    dmsetup remove --retry cut 2>/dev/null
    losetup -D
}

matrix() {
    local kind mode mark last
    for kind in file device; do
        for mode in fua sync through; do
            lab_log "$1: $kind store, $mode"
            if ! expect "$1: $kind store, $mode: workload" run_workload "$kind" "$mode"; then reset; continue; fi
            last=$(find cuts -type f | wc -l)
            lost=0
            for ((mark = 0; mark < last; mark++)); do
                out=$(at_cut "$kind" "cut$mark") || { lost=1; break; }
            done
            "$2" "$kind" "$mode" "cut$((last - 1))"
        done
    done
}
must_survive() {
    if ((lost)); then failed "$1 store, $2: all that was acknowledged is there" "$out"; return; fi
    passed "$1 store, $2: all that was acknowledged is there"
    expect "$1 store, $2: also for an initiator after a cold start" cold_start "$1" "$3" || reset
}
must_be_lost() {
    if ((lost)); then passed "$1 store, $2: without fsync the loss is seen"
    else failed "$1 store, $2: without fsync the loss is seen" "this test could not tell a build without fsync from a real one"
    fi
}

mkdir -p /mnt/store
modprobe -a loop dm-mod dm-log-writes || exit 1
lab_udev
lab_iscsid
matrix "mainstay" must_survive
mv /lab/bin/mainstay /lab/bin/mainstay-real
mv /lab/bin/mainstay-sabotaged /lab/bin/mainstay
hash -r
matrix "without fsync" must_be_lost
lab_end
