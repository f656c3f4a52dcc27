#!/usr/bin/env bash
# Who may log in, and how: one-way and mutual CHAP, access lists, discovery, header digests, with libiscsi's tools.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/serve.sh
. tests/serve.sh
need iscsi-inq libiscsi-bin
secret=secret-of-12-bytes back=other-secret-bytes
NAME=iqn.2026-11.internal.mainstay

config() {
    cat >"$WORK/config" <<TOML
[[portal]]
bind = "$ADDRESS"
[[volume]]
name = "memory"
memory = "16 MiB"
[[target]]
name = "open"
lun = [{ number = 0, volume = "memory" }]
[[target]]
name = "one-way"
lun = [{ number = 0, volume = "memory" }]
chap = { user = "alice", secret = "$secret" }
[[target]]
name = "both-ways"
lun = [{ number = 0, volume = "memory" }]
chap = { user = "alice", secret = "$secret", mutual = { user = "disk", secret = "$back" } }
[[target]]
name = "listed"
lun = [{ number = 0, volume = "memory" }]
initiator = [{ name = "$NAME:friend" }, { name = "$NAME:guest", chap = { user = "guest", secret = "guest-secret-12" } }]
TOML
}
# inq INITIATOR TARGET [USER%SECRET] [QUERY]
inq() { timeout 20 iscsi-inq -i "$NAME:$1" "iscsi://${3:+$3@}$ADDRESS/$NAME:$2/0${4:+?$4}" | grep -F DIRECT_ACCESS; }
list() { timeout 20 iscsi-ls -i "$NAME:$1" "iscsi://${2:+$2@}$ADDRESS${3:+/?$3}"; }
has() { grep -F -- "$2" <<<"$1"; }

config
serve --config "$WORK/config"
expect "open to everyone" inq someone open
expect "a secret that nobody asks for" inq someone open "alice%$secret"
expect "CHAP" inq someone one-way "alice%$secret"
refused "CHAP, no secret" inq someone one-way
refused "CHAP, wrong secret" inq someone one-way "alice%not-the-secret-at-all"
refused "CHAP, wrong user" inq someone one-way "mallory%$secret"
refused "CHAP, the secret with one byte more" inq someone one-way "alice%${secret}x"
expect "mutual CHAP" inq someone both-ways "alice%$secret" "target_user=disk&target_password=$back"
refused "mutual CHAP, wrong secret of the initiator" inq someone both-ways "alice%not-the-secret-at-all" "target_user=disk&target_password=$back"
refused "mutual CHAP, the initiator expects another secret" inq someone both-ways "alice%$secret" "target_user=disk&target_password=something-else-12"
refused "mutual CHAP asked of a target that has no secret" inq someone one-way "alice%$secret" "target_user=disk&target_password=$back"
expect "listed" inq friend listed
refused "not listed" inq someone listed
expect "listed, with a secret of its own" inq guest listed "guest%guest-secret-12"
refused "listed, without that secret" inq guest listed
refused "no such target" inq someone nothing
expect "header digest" inq someone open "" header_digest=crc32c
expect "header digest with CHAP" inq someone one-way "alice%$secret" header_digest=crc32c
seen=$(list someone)
expect "discovery shows an open target" has "$seen" "$NAME:open"
refused "discovery hides a target that the initiator may not log in to" has "$seen" "$NAME:listed"
expect "discovery shows it to who may" has "$(list friend)" "$NAME:listed"
refused "no secret in the log" grep -F -e "$secret" -e "$back" "$WORK/daemon.log" "$WORK/events"
unserve

config
printf '[discovery]\nchap = { user = "finder", secret = "%s" }\n' "$secret" >>"$WORK/config"
serve --config "$WORK/config"
refused "discovery with CHAP, no secret" list someone
refused "discovery with CHAP, wrong secret" list someone "finder%not-the-secret-at-all"
expect "discovery with CHAP" has "$(list someone "finder%$secret")" "$NAME:open"
finish
