#!/bin/bash
# The files in systemd/ under a real systemd: user, folders, the sandbox, a login, an upgrade of the package while the disk is in use,
# the watchdog, restart after a crash, and a clean stop.
#
#   tests/lab/lab run --systemd --bin build/release/mainstay --share-ro tests=tests --share-ro systemd=systemd tests/lab/service.sh
set -u
. /mnt/share/tests/lab/daemon.sh
. /mnt/share/tests/lab/initiator.sh

files=/mnt/share/systemd
target=$prefix:disk
# Seconds; less than what an admin gets, as it is waited for.
watchdog=10

install_service() {
    install -m 755 "$(command -v mainstay)" /usr/bin/mainstay &&
        install -Dm 644 "$files/mainstay.service" /usr/lib/systemd/system/mainstay.service &&
        install -Dm 644 "$files/sysusers.conf" /usr/lib/sysusers.d/mainstay.conf &&
        install -Dm 644 "$files/tmpfiles.conf" /usr/lib/tmpfiles.d/mainstay.conf &&
        systemd-sysusers mainstay.conf && systemd-tmpfiles --create mainstay.conf &&
        install -o root -g mainstay -m 640 "$files/mainstay.toml" /etc/mainstay.toml &&
        install -Dm 644 <(printf '[Service]\nWatchdogSec=%s\n' "$watchdog") /run/systemd/system/mainstay.service.d/watchdog.conf &&
        systemctl daemon-reload
}
is_active() { systemctl is-active --quiet mainstay; }
serving() { is_active && mainstay status >/dev/null; }
main_pid() { systemctl show -P MainPID mainstay; }
as_mainstay() { [[ $(stat -c %U:%G:%a "$1") == "$2" ]] || { stat -c '%n is %U:%G:%a' "$1"; return 1; }; }
writes() { dd if=/dev/urandom of="$disk" bs=1M count=4 oflag=direct conv=fsync 2>&1 && dd if="$disk" of=/dev/null bs=1M count=4 iflag=direct 2>&1; }
restarted() { serving && [[ $(main_pid) != "$1" ]]; }
reads_again() { dd if="$disk" of=/dev/null bs=1M count=1 iflag=direct; }
complaints() { ! journalctl -u mainstay --no-pager | grep -E 'Operation not permitted|SIGSYS|status=31|Failed to'; }

journal_has() { journalctl -u mainstay --no-pager | grep -Eq "$1"; }

end() {
    ((FAILED == 0)) || { say "---- the journal:"; journalctl -u mainstay --no-pager | tail -n 40; }
    tally
    exit
}

lab_iscsid
expect "the files install" install_service
expect "systemd finds nothing to complain of" systemd-analyze verify --man=no /usr/lib/systemd/system/mainstay.service
expect "it starts" systemctl start mainstay || end
expect "it serves, and root may ask it" lab_wait 60 serving || end
expect "the volume is its own" as_mainstay /srv/mainstay/disk.img mainstay:mainstay:600
expect "so is the state" as_mainstay /var/lib/mainstay mainstay:mainstay:700
expect "the socket is private" as_mainstay /run/mainstay/control.sock mainstay:mainstay:600
expect "a login" login disk || end
disk=$DISK
expect "the journal tells of it, before any swap" lab_wait 10 journal_has ': login$'
expect "written and read" writes
says() { grep -Eq "$2" <<<"$(systemctl show -P "$1" mainstay)" || { systemctl show mainstay -p "$1"; return 1; }; }
expect "systemd is told what it does" says StatusText '^Serving, version [0-9]'
expect "systemd watches it" says WatchdogUSec "^${watchdog}s$"

lab_log "an upgrade while the disk is in use"
# What nobody may see of it. The time is when systemd thinks that it began to run.
identity() {
    sessions
    systemctl show mainstay -p MainPID -p NRestarts -p ActiveEnterTimestampMonotonic
    echo "name $(</proc/"$(main_pid)"/comm), $(journalctl -u mainstay -o cat | grep -c '^login$') logins"
}
# installed FILE: as package managers do it, by rename.
installed() { install -m 755 "$1" /usr/bin/mainstay.new && mv /usr/bin/mainstay.new /usr/bin/mainstay; }
# Asked by the command line that was there first: the installed one may be broken.
swap() { mainstay swap --json "$@" >/run/swap.json || { local status=$?; cat /run/swap.json; return "$status"; }; }
runs() { is "$(mainstay status --json | jq -r .daemon.version)" "$1"; }
rounds() { wait "$fio" && (($(</run/rounds.disk) > 0)); }
version=$(mainstay --version); version=${version#* }
# Another build of this version: it differs in a byte that means nothing.
install -m 755 "$(command -v mainstay)" /run/other-build
echo >>/run/other-build
quiet >/dev/null
before=$(identity)
hammer disk "$disk" & fio=$!
expect "a build of the same version is installed" installed /run/other-build
expect "the package's script sees nothing to do" "$files/postinst"
expect "nothing has changed" is "$(identity)" "$before"
expect "asked for, that build takes over" swap --allow-same
expect "by the path it was started by" is "$(jq -r .to.path /run/swap.json)" /usr/bin/mainstay
done_swaps=1
for ((end = SECONDS + 3 * watchdog + 5; SECONDS < end; )); do
    sleep 2
    swap --allow-same || { failed "swaps, longer than the watchdog has patience" "$(</run/swap.json)"; break; }
    ((done_swaps += 1))
done
say "      $done_swaps swaps"
expect "same process, session, connection; no start, no login" is "$(identity)" "$before"
if command -v mainstay-next >/dev/null; then
    next=0.2.0-next
    expect "the next version is installed" installed "$(command -v mainstay-next)"
    expect "the package's script has it take over" "$files/postinst"
    expect "it runs" runs "$next"
    expect "systemd knows" says StatusText "^Serving, version $next"
    expect "the way back was kept" swap --allow-downgrade /usr/lib/mainstay/previous
    expect "and taken" runs "$version"
    expect "same process, session, connection; no start, no login" is "$(identity)" "$before"
fi
head -c 100000 /lab/bin/mainstay >/run/broken
expect "a broken build is installed" installed /run/broken
broken=$("/bin/sh" "$files/postinst" 2>&1); status=$?
expect "the package's script does not fail" is "$status $(grep -c 'goes on serving' <<<"$broken")" "0 1"
expect "the running version goes on" runs "$version"
expect "a good one is installed" installed "$(command -v mainstay)"
touch /run/enough
expect "every byte that fio wrote is what it read" rounds
expect "same process, session, connection; no start, no login" is "$(identity)" "$before"
expect "the kernel has noticed nothing" quiet
expect "the journal tells of the swaps" journal_has 'swapped from .* to .*, paused [0-9]+ ms'

lab_log "a crash"
first=$(main_pid)
kill -KILL "$first"
expect "after a crash it is back" lab_wait 60 restarted "$first"
expect "and the session too, by itself" lab_wait 90 reads_again
lab_log "silence"
second=$(main_pid)
kill -STOP "$second"
expect "who falls silent is started anew" lab_wait $((watchdog * 4)) restarted "$second"
expect "because of the watchdog" journal_has 'Watchdog timeout'
expect "the session is back" lab_wait 90 reads_again
lab_log "the end"
expect "logout" logout disk
expect "it stops" systemctl stop mainstay
expect "with success" test "$(systemctl show -P Result mainstay)" = success
expect "the sandbox was not in the way" complaints
printf '[[volume]]\n' >/etc/mainstay.toml
refused "a bad configuration does not start" systemctl start mainstay
end
