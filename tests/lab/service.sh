#!/bin/bash
# The files in systemd/ under a real systemd: user, folders, the sandbox, a login, restart after a crash, and a clean stop.
#
#   tests/lab/lab run --systemd --bin build/release/mainstay --share-ro tests=tests --share-ro systemd=systemd tests/lab/service.sh
set -u
. /mnt/share/tests/lab/daemon.sh

files=/mnt/share/systemd
target=iqn.2026-11.internal.mainstay:disk

install_service() {
    install -m 755 "$(command -v mainstay)" /usr/bin/mainstay &&
        install -Dm 644 "$files/mainstay.service" /usr/lib/systemd/system/mainstay.service &&
        install -Dm 644 "$files/sysusers.conf" /usr/lib/sysusers.d/mainstay.conf &&
        install -Dm 644 "$files/tmpfiles.conf" /usr/lib/tmpfiles.d/mainstay.conf &&
        systemd-sysusers mainstay.conf && systemd-tmpfiles --create mainstay.conf &&
        install -o root -g mainstay -m 640 "$files/mainstay.toml" /etc/mainstay.toml && systemctl daemon-reload
}
is_active() { systemctl is-active --quiet mainstay; }
serving() { is_active && mainstay status >/dev/null; }
main_pid() { systemctl show -P MainPID mainstay; }
login() {
    iscsiadm -m discovery -t sendtargets -p 127.0.0.1 >/dev/null && iscsiadm -m node -T "$target" --login >/dev/null &&
        lab_wait 30 lab_iscsi_disk "$target"
}
as_mainstay() { [[ $(stat -c %U:%G:%a "$1") == "$2" ]] || { stat -c '%n is %U:%G:%a' "$1"; return 1; }; }
writes() { dd if=/dev/urandom of="$disk" bs=1M count=4 oflag=direct conv=fsync 2>&1 && dd if="$disk" of=/dev/null bs=1M count=4 iflag=direct 2>&1; }
restarted() { serving && [[ $(main_pid) != "$1" ]]; }
reads_again() { dd if="$disk" of=/dev/null bs=1M count=1 iflag=direct; }
complaints() { ! journalctl -u mainstay --no-pager | grep -E 'Operation not permitted|SIGSYS|status=31|Failed to'; }

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
expect "a login" login || end
disk=/dev/$(lab_iscsi_disk "$target")
expect "written and read" writes
first=$(main_pid)
kill -KILL "$first"
expect "after a crash it is back" lab_wait 60 restarted "$first"
expect "and the session too, by itself" lab_wait 90 reads_again
expect "logout" iscsiadm -m node -T "$target" --logout
expect "it stops" systemctl stop mainstay
expect "with success" test "$(systemctl show -P Result mainstay)" = success
expect "the sandbox was not in the way" complaints
printf '[[volume]]\n' >/etc/mainstay.toml
refused "a bad configuration does not start" systemctl start mainstay
end
