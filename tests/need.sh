# shellcheck shell=bash
# What a check needs of this machine; read in by tests/run and the scripts beside it.
#
# On Debian and its kin, as root, what is missing is installed. Elsewhere the caller is told what is missing and how
# to get it. Nothing that is installed is ever removed or replaced.

# Exit status of a check that could not run; its last line, `skip: REASON`, says why.
SKIPPED=77

say() { printf '%s\n' "$*"; }

# skip REASON: end this script as not run. In CI everything is installable, so there it is a failure.
skip() {
    say "skip: $*"
    [[ ${CI:-} != true ]] || { say "(a failure here: CI runs everything)"; exit 1; }
    exit "$SKIPPED"
}

have() { command -v "$1" >/dev/null 2>&1; }

may_install() { [[ $(id -u) == 0 ]] && have apt-get; }

# apt_install PACKAGE...: refuses to remove anything for it. Package lists are fetched at most once a day.
apt_install() {
    may_install || return 1
    if [[ -z $(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -1 2>/dev/null | head -n 1) ]]; then
        apt-get -qq update </dev/null >&2 || :
    fi
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-remove --no-install-recommends \
        -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}

# need COMMAND PACKAGE [COMMAND PACKAGE...]: skips the script where one is missing and cannot be installed.
need() {
    local missing=() packages=() i all=("$@")
    for ((i = 0; i < ${#all[@]}; i += 2)); do
        have "${all[i]}" || { missing+=("${all[i]}"); packages+=("${all[i + 1]}"); }
    done
    ((${#missing[@]})) || return 0
    say "installing ${packages[*]}" >&2
    apt_install "${packages[@]}" >&2 || :
    for i in "${missing[@]}"; do
        have "$i" || skip "needs $i: on Debian or Ubuntu, sudo apt-get install ${packages[*]}"
    done
}
