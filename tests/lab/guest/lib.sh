# shellcheck shell=bash
# For lab scripts: . "$LAB_LIB"

# lab_log WORDS: a line with the guest's uptime.
lab_log() { local up; read -r up _ </proc/uptime; echo "[$up] $*"; }

# lab_wait SECONDS COMMAND...: until COMMAND succeeds; 1 when the time is up.
lab_wait() {
    local end=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            echo "gave up waiting for: $*" >&2
            return 1
        fi
        sleep 0.1
    done
}

# lab_listening PORT: something listens on that TCP port.
lab_listening() { [[ -n $(ss -Hltn "sport = :$1") ]]; }

# lab_udev: a running udevd that has seen the devices there are; /dev/disk/by-* needs it.
lab_udev() {
    [[ $LAB_MODE == systemd ]] && return 0
    pgrep -x systemd-udevd >/dev/null && return 0
    /lib/systemd/systemd-udevd --daemon </dev/null >/dev/null 2>&1 || return
    udevadm trigger --type=subsystems --action=add
    udevadm trigger --type=devices --action=add --subsystem-match=block --subsystem-match=misc
    udevadm settle --timeout=60
}

# lab_iscsid: the daemon of open-iscsi is ready. Under systemd the first iscsiadm starts it by its socket.
lab_iscsid() {
    # Without udev nothing would load sd_mod when the first unit appears: the login succeeds, and no disk comes.
    modprobe -a iscsi_tcp sd_mod sg || return
    [[ $LAB_MODE == systemd ]] && return 0
    pgrep -x iscsid >/dev/null && return 0
    mkdir -p /run/lock/iscsi
    iscsid </dev/null >/dev/null 2>&1 || return         # goes to the background by itself
    lab_wait 20 grep -q ISCSIADM_ABSTRACT_NAMESPACE /proc/net/unix
}

# lab_iscsi_disk IQN [LUN]: the block devices ("sda") of a target's unit, one a line, one for each session.
lab_iscsi_disk() {
    local s b found=1
    for s in /sys/class/iscsi_session/session*; do
        [[ -r $s/targetname && $(<"$s/targetname") == "$1" ]] || continue
        for b in "$s"/device/target*/*:"${2:-0}"/block/*; do
            [[ -b /dev/${b##*/} ]] || continue
            echo "${b##*/}"
            found=0
        done
    done
    return "$found"
}
