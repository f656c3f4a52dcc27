# shellcheck shell=bash
# Every command of nvme-cli that means something here; read in by nvme.sh.

expect "connect" connect open || lab_end
expect "size" is "$(blockdev --getsize64 "$DISK")" $((192 << 20))
expect "logical block" is "$(setting queue/logical_block_size)" 512
# Linux takes no more for granted than what is written as a whole even if the power fails.
expect "physical block" is "$(setting queue/physical_block_size)" 512
expect "best length of a write" is "$(setting queue/optimal_io_size)" 131072
expect "write cache" is "$(setting queue/write_cache)" "write back"
expect "FUA" is "$(setting queue/fua)" 1
expect "the kernel may deallocate" test "$(setting queue/discard_max_bytes)" -gt 0
expect "the kernel may write zeroes" test "$(setting queue/write_zeroes_max_bytes)" -gt 0
expect "longest transfer" is "$(setting queue/max_hw_sectors_kb)" 1024
lab_wait 10 disk_of "$prefix:open" 7
expect "a namespace without a write cache" is "$(cat "/sys/block/$(disk_of "$prefix:open" 7)/queue/write_cache")" "write back"
expect "the kernel is content with the connection" quiet

expect "id-ctrl" has "$(nvme id-ctrl "$CTRL")" "^subnqn +: $prefix:open"
expect "id-ns" has "$(nvme id-ns "$DISK")" "^nsze +: 0x60000"
expect "id-ns of every namespace" has "$(nvme id-ns "$CTRL" -n 7)" "^nsze +: 0x10000"
expect "ns-descs" has "$(nvme ns-descs "$DISK" | xargs)" "eui64 : [0-9a-f]{16} nguid : [0-9a-f]{32} uuid : [0-9a-f-]{36} csi : 0"
expect "list-ns" has "$(nvme list-ns "$CTRL" | xargs)" "0x1 .*0x7"
expect "list-ns, allocated" nvme list-ns "$CTRL" --all
expect "list-ctrl" has "$(nvme list-ctrl "$CTRL")" "present: 1"
expect "list-ctrl of a namespace" nvme list-ctrl "$CTRL" -n 1
expect "list-subsys" has "$(nvme list-subsys)" "$prefix:open"
expect "list" has "$(nvme list)" "Mainstay"
for command in cmdset-ind-id-ns nvm-id-ns; do expect "$command" nvme "$command" "$DISK"; done
for command in nvm-id-ctrl list-endgrp id-iocs ns-rescan; do expect "$command" nvme "$command" "$CTRL"; done
expect "smart-log" has "$(nvme smart-log "$CTRL")" "^critical_warning.*: 0"
expect "smart-log of a namespace" nvme smart-log "$CTRL" -n 1
expect "error-log" nvme error-log "$CTRL"
expect "fw-log" has "$(nvme fw-log "$CTRL")" "frs1"
expect "effects-log" has "$(nvme effects-log "$CTRL")" "Dataset Management|DSM|ACS"
expect "ana-log" has "$(nvme ana-log "$CTRL")" "optimized"
expect "ana-log, groups only" nvme ana-log "$CTRL" --groups
expect "endurance-log" nvme endurance-log "$CTRL" -g 1
expect "supported-log-pages" has "$(nvme supported-log-pages "$CTRL")" "LID 0xc "
expect "fid-support-effects-log" nvme fid-support-effects-log "$CTRL"
expect "mi-cmd-support-effects-log" nvme mi-cmd-support-effects-log "$CTRL"
expect "resv-notif-log" nvme resv-notif-log "$CTRL"
refused "a log page that is not there" nvme get-log "$CTRL" -i 0x0d -l 512
expect "the refusal is in the error log" has "$(nvme error-log "$CTRL" -e 1)" "status_field.*[1-9]"
expect "show-regs" has "$(nvme show-regs "$CTRL" -H)" "Ready"

for feature in 1 2 4 6 7 0xa 0xb 0xf 0x16; do expect "get-feature $feature" nvme get-feature "$CTRL" -f "$feature"; done
for feature in 5 0x84; do expect "get-feature $feature of a namespace" nvme get-feature "$CTRL" -n 1 -f "$feature"; done
expect "get-feature 0x81, 128 bits" nvme get-feature "$CTRL" -f 0x81 --cdw11=1
for select in 0 1 3; do expect "get-feature with select $select" nvme get-feature "$CTRL" -f 6 -s "$select"; done
expect "get-feature timestamp" nvme get-feature "$CTRL" -f 0xe
refused "a feature that is not there" nvme get-feature "$CTRL" -f 0x10
cached() { nvme set-feature "$CTRL" -f 6 --value="$1" && has "$(nvme get-feature "$CTRL" -f 6)" "value:0?x?0*$1\$"; }
expect "set-feature: no write cache" cached 0
expect "set-feature: write cache" cached 1
protect() { nvme set-feature "$CTRL" -n 1 -f 0x84 --value="$1" && nvme ns-rescan "$CTRL" && lab_wait 5 protected "$1"; }
protected() { [[ $(blockdev --getro "$DISK") == "$1" ]]; }
expect "set-feature: write protection" protect 1
refused "a protected namespace is not written" nvme write "$DISK" -s 0 -c 0 -z 512 -d /dev/zero
expect "set-feature: no write protection" protect 0
expect "the host's name is not of 64 bits" is "$(nvme get-feature "$CTRL" -f 0x81 2>&1 | grep -c 'Inconsistent')" 1
dmesg -C

head -c 8192 /dev/urandom >/run/blocks
head -c 512 /run/blocks >/run/block
# at START BLOCKS: what nvme-cli wants for a range; its counts begin at 0.
at() { echo "$DISK --start-block=$1 --block-count=$(($2 - 1))"; }
# shellcheck disable=SC2046  # several words each
{
    write_() { nvme write $(at "$1" 16) -z 8192 -d /run/blocks "${@:2}"; }
    read_() { nvme read $(at "$1" 16) -z 8192 -d /run/read "${@:2}" && cmp /run/read "${from:-/run/blocks}"; }
    zero() { from=/dev/zero; nvme read $(at "$1" 16) -z 8192 -d /run/read && cmp -n 8192 /run/read /dev/zero; local status=$?; from=''; return "$status"; }
    expect "write" write_ 64
    expect "read" read_ 64
    expect "write with FUA" write_ 96 --force-unit-access
    expect "read with FUA" read_ 96 --force-unit-access
    expect "flush" nvme flush "$DISK"
    expect "compare" nvme compare $(at 64 16) -z 8192 -d /run/blocks
    head -c 8192 /dev/zero >/run/zeroes
    refused "compare with something else" nvme compare $(at 64 16) -z 8192 -d /run/zeroes
    expect "verify" nvme verify $(at 64 16)
    expect "write-zeroes" nvme write-zeroes $(at 64 16)
    expect "what was zeroed reads as zero" zero 64
    expect "write-zeroes with deallocate" nvme write-zeroes $(at 96 16) --deac
    expect "what was deallocated reads as zero" zero 96
    write_ 128 >/dev/null 2>&1
    expect "dsm, deallocate" nvme dsm "$DISK" --ad -s 128,200 -b 16,8
    expect "what was discarded reads as zero" zero 128
    write_ 64 >/dev/null 2>&1
    expect "copy, format 0" nvme copy "$DISK" --sdlba=300 --slbs=64 --blocks=15 --format=0
    expect "what was copied reads as it was" read_ 300
    expect "copy of two ranges" nvme copy "$DISK" --sdlba=400 --slbs=64,300 --blocks=15,15
    expect "the second range is behind the first" read_ 416
    refused "copy beyond the end" nvme copy "$DISK" --sdlba=0x5ffff --slbs=64 --blocks=15
    expect "write-uncor" nvme write-uncor $(at 64 8)
    expect "a read of it says so" has "$(nvme read $(at 64 16) -z 8192 -d /run/read 2>&1)" "Unrecovered Read Error|UNRECOVERED"
    refused "the kernel cannot read it either" dd if="$DISK" of=/dev/null bs=4k skip=8 count=1 iflag=direct
    refused "verify says so, too" nvme verify $(at 64 16)
    expect "a write heals it" write_ 64
    expect "what was healed is read" read_ 64
    expect "out of range" has "$(nvme read $(at 0x60000 1) -z 512 -d /run/read 2>&1)" "LBA.*[Rr]ange"
    expect "a write out of range" has "$(nvme write $(at 0x5ffff 2) -z 1024 -d /run/blocks 2>&1)" "LBA.*[Rr]ange"
    refused "another namespace" nvme read "$CTRL" -n 5 -s 0 -c 0 -z 512 -d /run/read
}
expect "an I/O command as it is" nvme io-passthru "$DISK" --opcode=2 --namespace-id=1 --cdw10=64 --cdw12=0 --data-len=512 --read
refused "an I/O command that is not there" nvme io-passthru "$DISK" --opcode=0x7e --namespace-id=1
refused "an admin command that is not there" nvme admin-passthru "$CTRL" --opcode=0x7d
expect "abort of a command that is not there" nvme admin-passthru "$CTRL" --opcode=8 --cdw10=$((0x70 << 16))
expect "set-feature: an event is wanted at any temperature" nvme set-feature "$CTRL" -f 0xb --value=0x902
expect "reset" nvme reset "$CTRL"
expect "live again" lab_wait 10 is_live "$CTRL"
expect "its disk is there" dd if="$DISK" of=/dev/null bs=64k count=4 iflag=direct
skipped "fused Compare and Write" "the Linux kernel sends none; our own host does, in tests/daemon"
skipped "reservations" "they come with those of SCSI"
skipped "TLS" "not served yet"
expect "disconnect" disconnect open
dmesg -C
