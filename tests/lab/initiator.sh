# shellcheck shell=bash
# The kernel's initiator, in the guest; read in by lab scripts after daemon.sh.
# shellcheck source=tests/lab/load.sh
. /mnt/share/tests/lab/load.sh

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

# What the kernel's log says when it has a complaint about sessions or disks.
complaints='connection[0-9]+:[0-9]+: |session[0-9]+: |I/O error|Sense Key|rejecting|detected conn error|recovery|ping timeout|invalid|Unaligned|reset|timed out|BUG|WARNING|blocked for more'

# What no swap may change for the kernel: its sessions and their connections.
sessions() {
    local s
    for s in /sys/class/iscsi_session/session*; do echo "${s##*/} $(<"$s/targetname") $(<"$s/state")"; done
    ss -Htn state established 'dport = :3260' | awk '{ print $3, $4 }' | sort
}
