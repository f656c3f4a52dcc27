# shellcheck shell=bash
# The kernel's NVMe/TCP host, in the guest; read in by lab scripts after daemon.sh.
# shellcheck source=tests/lab/load.sh
. /mnt/share/tests/lab/load.sh

prefix=nqn.2026-11.internal.mainstay
finder=nqn.2014-08.org.nvmexpress.discovery
me=$(</etc/nvme/hostnqn)

# What the kernel's log says when it has a complaint about controllers or disks.
complaints='nvme.*([Ee]rror|[Ff]ail|time(out|d out)|[Rr]econnect|reset|[Ii]nvalid|unexpected|[Dd]uplicate|unable|unknown|mismatch|starting|bogus|ignoring)|I/O error|BUG|WARNING|blocked for more'

# connect NAME [OPTION...]: to 127.0.0.1 unless an option says otherwise; waits for the disk of namespace 1, named in DISK, and
# for its controller, in CTRL.
connect() {
    local nqn=$prefix:$1 at=127.0.0.1 args=(); shift
    while (($#)); do
        case $1 in
            at=*) at=${1#at=} ;;
            *) args+=("$1") ;;
        esac
        shift
    done
    nvme connect -t tcp -a "$at" -s 4420 -n "$nqn" --nr-io-queues=2 --reconnect-delay=1 --ctrl-loss-tmo=60 "${args[@]}" || return
    lab_wait 20 disk_of "$nqn" || return
    DISK=/dev/$(disk_of "$nqn")
    CTRL=/dev/$(controllers_of "$nqn" | tail -n 1)
    udevadm settle --timeout=90
}
# It waits for udev, which looks once more at a disk that has been written to, and would find it gone.
disconnect() { udevadm settle --timeout=30; nvme disconnect -n "$prefix:$1" && ! disk_of "$prefix:$1"; }
# not_connected NAME OPTION...: the kernel gives up.
not_connected() { ! connect "$@" || { disconnect "$1"; return 1; }; }

subsystem_of() {
    local s
    for s in /sys/class/nvme-subsystem/nvme-subsys*; do
        [[ ! -r $s/subsysnqn || $(<"$s/subsysnqn") != "$1" ]] || { echo "$s"; return; }
    done
    return 1
}
# disk_of NQN [NSID]: the disk that stands for all ways to a namespace.
disk_of() {
    local s b
    s=$(subsystem_of "$1") || return
    for b in "$s"/nvme*n*; do
        [[ ! -r $b/nsid || $(<"$b/nsid") != "${2:-1}" || ! -b /dev/${b##*/} ]] || { echo "${b##*/}"; return; }
    done
    return 1
}
controllers_of() {
    local s c
    s=$(subsystem_of "$1") || return
    for c in "$s"/nvme*; do [[ ! -r $c/cntlid ]] || echo "${c##*/}"; done
}
# is_live CONTROLLER...: each of them.
is_live() {
    local c
    for c in "$@"; do [[ $(cat "/sys/class/nvme/${c#/dev/}/state") == live ]] || return; done
}

# What no swap may change for the kernel: its controllers and their connections.
associations() {
    local c
    for c in /sys/class/nvme/nvme*; do echo "${c##*/} $(<"$c/subsysnqn") $(<"$c/cntlid") $(<"$c/state") $(<"$c/address")"; done
    ss -Htn state established '( dport = :4420 or dport = :8009 )' | awk '{ print $3, $4 }' | sort
}
