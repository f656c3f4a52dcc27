# shellcheck shell=bash
# What is looked at, and load that reads back what it wrote; read in by initiator.sh and host.sh.

is() { [[ $1 == "$2" ]] || { echo "is '$1', should be '$2'"; return 1; }; }
has() { grep -Eq -- "$2" <<<"$1" || { echo "no $2 in:"; echo "$1"; return 1; }; }

# The kernel's log since the last look has none of the $complaints of the protocol.
quiet() {
    local seen
    # What a new session or a reset brings, once for each unit, is only news. The kernel's own affair is which of its work queues
    # wait for which, that it does not repeat a read ahead on another way, and that a disconnect overtakes a keep alive.
    seen=$(dmesg --notime | grep -E "$complaints" |
        grep -Ev 'Power-on or device reset occurred|check_flush_dependency|nvme_keep_alive_end_io error=4|nvme[0-9]+c[0-9]+n[0-9]+: I/O Cmd|dev nvme[0-9]+c[0-9]+n[0-9]+,.*READ\) flags 0x[0-9a-f]*80700')
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
