# shellcheck shell=bash
# The kernel's initiator, in the guest; read in by lab scripts after daemon.sh.

prefix=iqn.2026-11.internal.mainstay
portal=127.0.0.1:3260

# login NAME [SETTING=VALUE...]: a node record with these settings, logged in; waits for the disk of LUN 0, named in DISK.
login() {
    local iqn=$prefix:$1 args=() setting; shift
    for setting in node.session.initial_login_retry_max=1 node.session.timeo.replacement_timeout=60 "$@"; do
        args+=("$setting")
    done
    iscsiadm -m node -T "$iqn" -p "$portal" -o new >/dev/null || return
    for setting in "${args[@]}"; do
        iscsiadm -m node -T "$iqn" -p "$portal" -o update -n "${setting%%=*}" -v "${setting#*=}" || return
    done
    iscsiadm -m node -T "$iqn" -p "$portal" --login || return
    lab_wait 20 lab_iscsi_disk "$iqn" || return
    DISK=/dev/$(lab_iscsi_disk "$iqn")
    udevadm settle --timeout=90
}
logout() {
    iscsiadm -m node -T "$prefix:$1" --logout && iscsiadm -m node -T "$prefix:$1" -o delete && ! lab_iscsi_disk "$prefix:$1"
}
chap() { echo node.session.auth.authmethod=CHAP "node.session.auth.username=$1" "node.session.auth.password=$2"; }
chap_back() { echo "node.session.auth.username_in=$1" "node.session.auth.password_in=$2"; }
digests() { echo "node.conn[0].iscsi.HeaderDigest=$1" "node.conn[0].iscsi.DataDigest=$2"; }

is() { [[ $1 == "$2" ]] || { echo "is '$1', should be '$2'"; return 1; }; }
has() { grep -Eq -- "$2" <<<"$1" || { echo "no $2 in:"; echo "$1"; return 1; }; }

# The kernel's log since the last look has no complaint about sessions or disks.
complaints='connection[0-9]+:[0-9]+: |session[0-9]+: |I/O error|Sense Key|rejecting|detected conn error|recovery|ping timeout|invalid|Unaligned|reset|timed out|BUG|WARNING|blocked for more'
quiet() {
    local seen
    # What a new session or a reset brings, once for each unit, is only news; and which of its work queues wait for which is the
    # kernel's own affair.
    seen=$(dmesg --notime | grep -E "$complaints" | grep -v -e 'Power-on or device reset occurred' -e 'check_flush_dependency')
    dmesg -C
    [[ -z $seen ]] || { tail -n 20 <<<"$seen"; return 1; }
}

# fio on $1 (a file or a disk): random writes of several sizes at once, read back by checksum. Nice, as emulated processors are few and
# the daemon has deadlines.
verified() {
    local out
    out=$(nice -n 19 fio --name=verify --filename="$1" --size="${2:-24M}" --bsrange=4k-256k --blockalign=4k --rw=randwrite --ioengine=libaio \
        --iodepth=16 --direct=1 --verify=crc32c --verify_fatal=1 --do_verify=1 --output-format=terse 2>&1) ||
        { tail -n 5 <<<"$out"; return 1; }
}

# hammer NAME FILE: fio, again and again, until there is /run/enough; the rounds that passed are in /run/rounds.NAME.
hammer() {
    local rounds=0
    while [[ ! -e /run/enough ]]; do
        verified "$2" 8M || return
        rounds=$((rounds + 1))
        echo "$rounds" >"/run/rounds.$1"
    done
}

# What no swap may change for the kernel: its sessions and their connections.
sessions() {
    local s
    for s in /sys/class/iscsi_session/session*; do echo "${s##*/} $(<"$s/targetname") $(<"$s/state")"; done
    ss -Htn state established 'dport = :3260' | awk '{ print $3, $4 }' | sort
}
