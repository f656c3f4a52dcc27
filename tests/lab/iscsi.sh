#!/bin/bash
# The Linux kernel's initiator (open-iscsi, iscsi_tcp) against the daemon, in the guest's own loopback: discovery, every kind of
# authentication and digest, a file system under fio, names that stay over a restart, resize, sessions that are cut and kicked,
# and the kernel's own opinion in its log.
#
#   tests/lab/lab run --bin build/release/mainstay --share-ro tests=tests tests/lab/iscsi.sh
set -u
. /mnt/share/tests/lab/daemon.sh
. /mnt/share/tests/lab/initiator.sh

secret=plain-secret-12 back=other-secret-34

cat >/run/mainstay.toml <<TOML
[[portal]]
bind = "127.0.0.1:3260"
[[portal]]
bind = "[::1]:3260"

[[volume]]
name = "disk"
file = "/var/tmp/disk.img"
create = "192 MiB"
[[volume]]
name = "big-blocks"
memory = "128 MiB"
block_size = 4096
[[volume]]
name = "frozen"
file = "/var/tmp/frozen.img"
read_only = true
[[volume]]
name = "secret"
memory = "16 MiB"
[[volume]]
name = "through"
file = "/var/tmp/through.img"
create = "16 MiB"
write_cache = false

[[target]]
name = "open"
lun = [{ number = 0, volume = "disk" }, { number = 7, volume = "through" }]
[[target]]
name = "big"
lun = [{ number = 0, volume = "big-blocks" }]
[[target]]
name = "frozen"
lun = [{ number = 0, volume = "frozen" }]
[[target]]
name = "chap"
lun = [{ number = 0, volume = "secret" }]
chap = { user = "alice", secret = "$secret" }
[[target]]
name = "mutual"
lun = [{ number = 0, volume = "secret" }]
chap = { user = "alice", secret = "$secret", mutual = { user = "disk", secret = "$back" } }
[[target]]
name = "others"
lun = [{ number = 0, volume = "secret" }]
initiator = [{ name = "$prefix:somebody-else" }]
TOML
sed '$a[discovery]\nchap = { user = "finder", secret = "'$secret'", mutual = { user = "portal", secret = "'$back'" } }' \
    /run/mainstay.toml >/run/mainstay-discovery.toml

# A login that must be refused with a status of open-iscsi's for a failed authentication: the target's verdict, or its own.
login_denied() { login "$@"; local status=$?; ((status == 24 || status == 19)); }
denied() {
    local name=$1 target=$2; shift
    expect "$name" login_denied "$@"
    iscsiadm -m node -T "$prefix:$target" -o delete >/dev/null 2>&1
}

setting() { cat "/sys/block/${DISK#/dev/}/$1"; }

# ------------------------------------------------------------------------------------------------------------------
chmod 600 /run/mainstay*.toml
truncate -s 16M /var/tmp/frozen.img
lab_udev
lab_iscsid
daemon_start /run/mainstay.toml
dmesg -C

lab_log "discovery"
discovered() { iscsiadm -m discovery -t sendtargets -p "$1"; }
found=$(discovered "$portal")
for target in open big frozen chap mutual; do expect "discovery finds $target" has "$found" "^127.0.0.1:3260,1 $prefix:$target\$"; done
refused "discovery hides a target from who may not log in" has "$found" "$prefix:others"
found=$(discovered '[::1]:3260')
expect "discovery over IPv6" has "$found" "^\[::1\]:3260,1 $prefix:open\$"
iscsiadm -m node -o delete >/dev/null

lab_log "a disk"
expect "login" login open || lab_end
expect "size" is "$(blockdev --getsize64 "$DISK")" $((192 << 20))
expect "logical block" is "$(setting queue/logical_block_size)" 512
expect "physical block" is "$(setting queue/physical_block_size)" 4096
expect "write cache" is "$(setting queue/write_cache)" "write back"
expect "FUA" is "$(setting queue/fua)" 1
expect "thin" test "$(setting queue/discard_max_bytes)" -gt 0
expect "the kernel knows WRITE SAME" test "$(setting queue/write_zeroes_max_bytes)" -gt 0
through=/dev/$(lab_iscsi_disk "$prefix:open" 7)
expect "a LUN without a write cache" is "$(cat "/sys/block/${through#/dev/}/queue/write_cache")" "write through"
expect "the kernel is content with the login" quiet

lab_log "SCSI by hand"
sg=/dev/$(basename "$(echo "/sys/block/${DISK#/dev/}"/device/scsi_generic/*)")
expect "REPORT LUNS" has "$(sg_luns -d "$sg")" "LUN 7|lun=7|0007"
expect "supported VPD pages" has "$(sg_vpd "$sg" | tr '\n' ' ')" '\[sv\].*\[sn\].*\[di\].*\[ei\].*\[bl\].*\[bdc\].*\[lbpv\]'
expect "VPD 83 has an NAA" has "$(sg_vpd -p di "$sg")" "NAA"
expect "VPD 83 has a T10 vendor id" has "$(sg_vpd -p di "$sg")" "T10 vendor"
expect "VPD 83 names the target port" has "$(sg_vpd -p di "$sg")" "$prefix:open,t,0x"
for page in sn bl bdc lbpv ei; do expect "VPD $page decodes" sg_vpd -p "$page" "$sg"; done
expect "READ CAPACITY(16) says thin" has "$(sg_readcap -l "$sg")" "lbpme=1"
expect "mode pages" sg_modes -a "$sg"
expect "caching mode page has WCE" has "$(sg_modes -p 8 "$sg")" "Caching"
expect "REPORT SUPPORTED OPERATION CODES" has "$(sg_opcodes "$sg")" "Compare and write"
expect "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS" sg_opcodes -t "$sg"
expect "REPORT TARGET PORT GROUPS" sg_rtpg -d "$sg"
expect "REQUEST SENSE" sg_requests "$sg"
ready() { sg_raw "$sg" 00 00 00 00 00 00; }
expect "TEST UNIT READY" ready
expect "SYNCHRONIZE CACHE(10)" sg_sync "$sg"
expect "SYNCHRONIZE CACHE(16)" sg_sync --16 "$sg"
head -c 8192 /dev/urandom >/run/blocks
for size in 6 10 12 16; do
    if [[ $size == 6 ]]; then fua=''; else fua=fua; fi
    rw() {
        sg_dd if=/run/blocks of="$sg" bs=512 count=16 seek=64 cdbsz="$size" ${fua:+oflag=fua} &&
            sg_dd if="$sg" of=/run/read bs=512 count=16 skip=64 cdbsz="$size" && cmp /run/blocks /run/read
    }
    expect "WRITE($size) and READ($size)" rw
done
expect "VERIFY(10)" sg_verify --lba=64 --count=16 "$sg"
expect "VERIFY(16)" sg_verify --16 --lba=64 --count=16 "$sg"
expect "VERIFY, compared" sg_verify --ndo=8192 --in=/run/blocks --lba=64 --count=16 "$sg"
refused "VERIFY, compared with something else" sg_verify --ndo=8192 --in=/dev/zero --lba=64 --count=16 "$sg"
expect "WRITE SAME(10)" sg_write_same --10 --in=/run/blocks --xferlen=512 --lba=128 --num=8 "$sg"
expect "WRITE SAME(16)" sg_write_same --16 --in=/run/blocks --xferlen=512 --lba=136 --num=8 "$sg"
expect "WRITE SAME(16), unmapping" sg_write_same --16 --unmap --xferlen=512 --lba=128 --num=16 "$sg"
zero() { sg_dd if="$sg" bs=512 skip=128 count=16 of=/run/read && cmp -n 8192 /run/read /dev/zero; }
expect "what was unmapped reads as zero" zero
expect "UNMAP" sg_unmap --lba=64 --num=8 --force "$sg"
expect "GET LBA STATUS" has "$(sg_get_lba_status --lba=64 "$sg")" "deallocated|mapped"
cat /run/read /run/blocks >/run/pair           # zeroes to compare with, then what to write
caw() { sg_compare_and_write --in=/run/pair --inc=/run/zero --inw=/run/block --lba=128 --num=1 --xferlen=1024 "$sg"; }
head -c 512 /dev/zero >/run/zero; head -c 512 /run/blocks >/run/block
expect "COMPARE AND WRITE" caw
refused "COMPARE AND WRITE, once more" caw
expect "WRITE AND VERIFY" sg_write_verify --in=/run/block --ilen=512 --lba=160 --num=1 "$sg"
expect "START STOP UNIT: stop" sg_start --stop "$sg"
refused "a stopped unit is not ready" ready
expect "START STOP UNIT: start" sg_start --start "$sg"
expect "PREVENT ALLOW" sg_prevent --allow "$sg"
dmesg -C

lab_log "a file system"
mkdir -p /mnt/disk
expect "mkfs.ext4" mkfs.ext4 -q "$DISK"
expect "mount" mount -o discard "$DISK" /mnt/disk
expect "fio on ext4, verified" verified /mnt/disk/file
expect "removing a file discards it" bash -c 'rm /mnt/disk/file && sync'
expect "fstrim" fstrim /mnt/disk
expect "umount" umount /mnt/disk
expect "e2fsck" e2fsck -f -n "$DISK"
expect "the kernel is content with a file system" quiet

lab_log "names"
by_id() {
    for link in /dev/disk/by-id/{wwn,scsi}-*; do
        if [[ $(readlink -f "$link") == "$DISK" ]]; then echo "$link"; fi
    done
}
names=$(by_id)
expect "udev makes a wwn name" has "$names" "/wwn-0x3[0-9a-f]{15,}"
expect "udev makes a scsi name" has "$names" "/scsi-"

lab_log "resize"
resized() { mainstay resize --control "$CONTROL" disk 256M; }
expect "mainstay resize" resized
ready >/dev/null 2>&1                          # some command has to bring the unit attention
expect "the initiator is told" lab_wait 10 bash -c 'dmesg | grep -Eq "Capacity data has changed"'
iscsiadm -m session --rescan >/dev/null
expect "a rescan sees the new size" lab_wait 10 bash -c "[[ \$(blockdev --getsize64 $DISK) == $((256 << 20)) ]]"
grown() { e2fsck -f -p "$DISK" && resize2fs "$DISK" && mount "$DISK" /mnt/disk && verified /mnt/disk/file 16M && umount /mnt/disk; }
expect "the file system grows with it" grown
dmesg -C

lab_log "cut and kicked sessions, under load"
session=$(iscsiadm -m session | sed -n 's/^tcp: \[\([0-9]*\)\].*:open .*/\1/p')
logged_in() { [[ $(cat "/sys/class/iscsi_session/session$session/state") == LOGGED_IN && $(grep -c '"event":"login"' /run/events) -ge $1 ]]; }
logins() { grep -c '"event":"login"' /run/events; }
under_load() {
    local before fio
    before=$(logins)
    verified "$DISK" 32M & fio=$!
    sleep 2
    "$@" || return
    lab_wait 60 logged_in $((before + 1)) || return
    wait "$fio"
}
# The daemon never learns that the connection is gone: its packets get lost. The initiator logs in again with the same ISID, which
# reinstates the session.
lost() {
    local port
    port=$(ss -Htn state established "dport = :3260" | awk '{ print $3; exit }')
    port=${port##*:}
    nft add table inet lab
    nft add chain inet lab out '{ type filter hook output priority 0; }'
    nft add rule inet lab out tcp sport "$port" tcp dport 3260 drop
    nft add rule inet lab out tcp sport 3260 tcp dport "$port" drop
    ss -K "dport = :3260" "sport = :$port" >/dev/null
}
expect "reinstatement of a session whose connection was lost" under_load lost
nft flush ruleset
kicked() { mainstay kick --control "$CONTROL" "$(mainstay status --control "$CONTROL" --json | jq -r '.sessions[-1].id')"; }
expect "a kicked session comes back" under_load kicked
restarted() { daemon_stop; daemon_start /run/mainstay.toml; }
expect "a restarted daemon gets its session back" under_load restarted
expect "the names are the same after the restart" is "$(udevadm settle; by_id)" "$names"
expect "logout" logout open
expect "login again" login open
expect "the names are the same after a new login" is "$(by_id)" "$names"
expect "logout again" logout open
dmesg -C

lab_log "digests and large blocks"
# shellcheck disable=SC2046  # two words
for digests in CRC32C,None None,CRC32C CRC32C,CRC32C; do
    expect "login with digests $digests" login big $(digests "${digests%,*}" "${digests#*,}") || continue
    shown=$(iscsiadm -m session -P 2)
    expect "header digest is ${digests%,*}" has "$shown" "HeaderDigest: ${digests%,*}"
    expect "data digest is ${digests#*,}" has "$shown" "DataDigest: ${digests#*,}"
    expect "logical block of 4096" is "$(setting queue/logical_block_size)" 4096
    expect "fio, verified, digests $digests" verified "$DISK" 12M
    expect "logout" logout big
done
for bursts in Yes,Yes Yes,No No,Yes No,No; do
    expect "login with InitialR2T,ImmediateData=$bursts" login big "node.session.iscsi.InitialR2T=${bursts%,*}" "node.session.iscsi.ImmediateData=${bursts#*,}" \
        node.session.iscsi.FirstBurstLength=65536 || continue
    expect "fio, verified, InitialR2T,ImmediateData=$bursts" verified "$DISK" 12M
    expect "logout" logout big
done
expect "the kernel is content with digests and bursts" quiet

lab_log "read-only"
expect "login" login frozen
expect "the kernel sees that it is read-only" is "$(blockdev --getro "$DISK")" 1
expect "it can be read" dd if="$DISK" of=/dev/null bs=1M count=4 status=none
# WRITE(10) past the kernel, which would stop it.
refused "a write is refused" sg_dd if=/run/block of="/dev/$(basename "$(echo "/sys/block/${DISK#/dev/}"/device/scsi_generic/*)")" bs=512 count=1
expect "logout" logout frozen

lab_log "CHAP"
# shellcheck disable=SC2046  # several words each
{
    for hash in MD5 SHA1 SHA256 SHA3-256; do
        expect "CHAP with $hash" login chap $(chap alice $secret) "node.session.auth.chap_algs=$hash"
        expect "logout" logout chap
    done
    expect "mutual CHAP" login mutual $(chap alice $secret) $(chap_back disk $back)
    expect "logout" logout mutual
    expect "mutual CHAP on offer, one-way asked" login mutual $(chap alice $secret)
    expect "logout" logout mutual
    denied "wrong secret" chap $(chap alice wrong-secret-99)
    denied "wrong user" chap $(chap mallory $secret)
    denied "no authentication where it is required" chap
    denied "mutual CHAP, the target's secret is wrong" mutual $(chap alice $secret) $(chap_back disk wrong-secret-99)
    denied "a reflected secret" chap $(chap alice $secret) $(chap_back alice $secret)
}
refused "an initiator that is not on the list" login others
iscsiadm -m node -o delete >/dev/null 2>&1
refused "no secret in the daemon's log or events" grep -Eq "$secret|$back|wrong-secret" /run/daemon.log /run/events

lab_log "discovery with CHAP"
daemon_stop
daemon_start /run/mainstay-discovery.toml
discover() {
    local setting
    iscsiadm -m discoverydb -t st -p "$portal" -o new >/dev/null
    for setting in "$@"; do
        setting=${setting/node.session/discovery.sendtargets}
        iscsiadm -m discoverydb -t st -p "$portal" -o update -n "${setting%%=*}" -v "${setting#*=}" || return
    done
    has "$(iscsiadm -m discoverydb -t st -p "$portal" --discover 2>&1)" "$prefix:open"
    local status=$?
    iscsiadm -m discoverydb -t st -p "$portal" -o delete >/dev/null
    return "$status"
}
# shellcheck disable=SC2046
{
    refused "discovery without a secret" discover
    refused "discovery with a wrong secret" discover $(chap finder wrong-secret-99)
    expect "discovery with CHAP" discover $(chap finder $secret)
    expect "discovery with mutual CHAP" discover $(chap finder $secret) $(chap_back portal $back)
    refused "discovery, the portal's secret is wrong" discover $(chap finder $secret) $(chap_back portal wrong-secret-99)
}
lab_end
