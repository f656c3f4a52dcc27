# shellcheck shell=bash
# What a check needs of this machine; read in by tests/run and the scripts beside it.
#
# On Debian and its kin, as root, what is missing is installed. Elsewhere the caller is told what is missing and how
# to get it. Nothing that is installed is ever removed or replaced.

# shellcheck source=tests/verdict.sh
. "$(dirname "${BASH_SOURCE[0]}")/verdict.sh"

# Exit status of a check that could not run; its last line, `skip: REASON`, says why.
SKIPPED=77

# skip REASON: end this script as not run. In CI everything is installable, so there it is a failure.
skip() {
    say "skip: $*"
    [[ ${CI:-} != true ]] || { say "(a failure here: CI runs everything)"; exit 1; }
    exit "$SKIPPED"
}

have() { command -v "$1" >/dev/null 2>&1; }

may_install() { [[ $(id -u) == 0 ]] && have apt-get; }

# apt_lists: fresh enough to install from.
apt_lists() {
    [[ -n $(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -1 2>/dev/null | head -n 1) ]] ||
        apt-get -qq update </dev/null >&2 || :
}

# apt_install PACKAGE...: refuses to remove anything for it.
apt_install() {
    may_install || return 1
    apt_lists
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

# unpack_debs FOLDER FILES PACKAGE...: Debian's own builds of the packages, unpacked into FOLDER and not installed, for where they
# conflict with what is there. FILES, a comma-separated list below FOLDER/usr, are what will be used: of the packages'
# dependencies only the libraries that these miss are installed.
unpack_debs() {
    local folder=$1 files=$2 p version deps so d want=()
    shift 2
    may_install || return 1
    if [[ ! -e $folder/.complete ]]; then
        apt_lists
        rm -rf "$folder"
        mkdir -p "$folder/debs"
        for p in "$@"; do
            # By version: the installed one may be newer than what Debian has, and is then what apt would look for.
            version=$(apt-cache madison "$p" | awk 'NR == 1 { print $3 }')
            [[ -n $version ]] || return 1
            (cd "$folder/debs" && apt-get -qq -o APT::Sandbox::User=root download "$p=$version") >&2 || return 1
        done
        for p in "$folder"/debs/*.deb; do dpkg-deb -x "$p" "$folder" || return 1; done
    fi
    deps=$(for p in "$folder"/debs/*.deb; do dpkg-deb -f "$p" Depends | tr ',' '\n' | awk '{ print $1 }'; done | sort -u)
    # shellcheck disable=SC2086  # a list of words
    for so in $(cd "$folder/usr" && ldd ${files//,/ } 2>/dev/null | awk '/not found/ { print $1 }' | sort -u); do
        for d in $deps; do [[ $d != "${so%%.so.*}"* ]] || want+=("$d"); done
    done
    ((${#want[@]} == 0)) || apt_install "${want[@]}" || return 1
    touch "$folder/.complete"
}
