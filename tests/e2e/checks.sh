# shellcheck shell=sh
# What the end-to-end tests have in common: they begin in an empty folder of their own, which is removed at the end, and
# print one line a check. To be read with `. "$(dirname "$0")/checks.sh"`, after which `enter` goes to that folder; the
# last line is `exit $failed`. POSIX sh and the core utilities are all that is needed.
export LC_ALL=C
failed=0

enter() {
    work=$(mktemp -d) || exit 1
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    cd "$work" || exit 1
    export XDG_CACHE_HOME="$work/.cache" # hashes of files that are gone with it
}

latent() { "$latent" "$@"; }
ok() { echo "ok - $1"; }
not_ok() {
    echo "not ok - $1"
    failed=1
}
# show FILE...: those that are there, as a test's comments
show() { sed 's/^/#   /' "$@" 2>/dev/null | head -n 30; }

# check WHAT COMMAND...: whether COMMAND succeeds; what it printed is shown only if it did not.
check() {
    what=$1
    shift
    if "$@" >check.log 2>&1; then ok "$what"; else
        not_ok "$what"
        show check.log out err
    fi
}

# refuse WHAT STATUS PATTERN COMMAND...: COMMAND ends with STATUS, prints nothing but one line on standard error, which
# is then in the file err, with PATTERN in it.
refuse() {
    what=$1
    shift
    check "refused: $what" refuses "$@"
}
refuses() {
    status=$1 pattern=$2
    shift 2
    "$@" >out 2>err </dev/null
    got=$?
    echo "exit status $got"
    [ "$got" -eq "$status" ] && [ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] && grep -q "^latent: .*$pattern" err
}

has_text() { tr '\000\n' '  ' <"$1" | grep -aqF -- "$2"; } # FILE TEXT: with a space for each line end and each NUL of FILE
