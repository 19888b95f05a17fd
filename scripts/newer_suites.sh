# shellcheck shell=bash
# shellcheck disable=SC2016  # $(NAME) are apt's own placeholders
# shellcheck disable=SC2034,SC2154  # shared with the script that sources this
# Sourced by scripts that take a package from a newer Debian suite than this system's own.
#
# The archive is the one this system already uses; apt's lists live in a private folder, so the
# system's own sources and lists stay as they are. Needs: $work, an existing folder of the caller.

newer_suites=(forky sid)

archive_of_this_system() {
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' |
        awk -F'|' '$1 == "Debian" && $2 == "Debian" && $3 == "main" { print $4; exit }'
}

# open_suite deb|deb-src SUITE: after it private_apt sees this suite only.
open_suite() {
    local archive
    archive=$(archive_of_this_system)
    if [ -z "$archive" ] && [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        archive=$(archive_of_this_system)
    fi
    if [ -z "$archive" ]; then
        echo "no Debian archive among apt's sources ('apt-get update' may help)" >&2
        return 1
    fi
    # apt drops its privileges for downloads and must still be able to write here.
    chmod 755 "$work"
    mkdir -p "$work/lists/partial" "$work/parts" "$work/download"
    if [ "$(id -u)" = 0 ] && id _apt >/dev/null 2>&1; then
        chown _apt "$work/lists/partial" "$work/download"
    fi
    echo "$1 $archive $2 main" >"$work/sources.list"
    if ! private_apt get update >"$work/apt.log" 2>&1; then
        echo "suite $2 cannot be read:" >&2
        tail -n 3 "$work/apt.log" >&2
        return 1
    fi
}

# private_apt get|cache ARGUMENTS
# A frozen mirror's lists count as expired; the versions are chosen here, so that does not matter.
private_apt() {
    local tool=apt-$1
    shift
    "$tool" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts="$work/parts" \
        -o Dir::State::lists="$work/lists" -o Dir::State::status=/dev/null \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        -o Acquire::Check-Valid-Until=false "$@"
}

# at_least VERSION MINIMUM
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# upstream_of DEBIAN_VERSION: without the epoch and the Debian revision
upstream_of() {
    local version=${1#*:}
    echo "${version%-*}"
}
