# shellcheck shell=sh
# What the tests of `latent serve` have in common, behind checks.sh: a server that ends with the test, and what is asked
# of it with curl.
pid=

# serve OPTION...: a server that listens; its process is $pid, its address $base and the APIs' $jobs, $sd and $images.
# Nothing of this user is seen.
serve() {
    trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$work"' EXIT
    : >address
    mkdir -p models
    "$latent" serve --port 0 --data data --models models "$@" >address 2>>log &
    pid=$!
    tries=0
    until [ -s address ]; do
        tries=$((tries + 1))
        if [ $tries -gt 600 ] || ! kill -0 $pid 2>/dev/null; then
            not_ok "the server listens"
            show log
            exit 1
        fi
        sleep 0.05
    done
    base=$(sed 's,/$,,' address)
    jobs=$base/latent/v1/jobs sd=$base/sdapi/v1 images=$base/v1/images
}

# stop [SIGNAL]: by TERM, or that; $status is what it ended with.
stop() {
    kill -"${1:-TERM}" $pid
    wait $pid 2>/dev/null
    status=$?
    pid=
}
stop_well() {
    stop
    check "the server ends as it should" [ "$status" -eq 0 ]
}

# ask STATUS WHAT CURL_ARGUMENT...: what is answered with that status; the answer is in the file answer, its head in head.
ask() {
    want=$1 what=$2
    shift 2
    got=$(curl -s -m 60 -D head -o answer -w '%{http_code}' "$@")
    if [ "$got" = "$want" ]; then ok "$what: $want"; else
        not_ok "$what: $got, expected $want"
        show answer
    fi
}
# tells PATTERN: the last answer does
tells() { if grep -q -- "$1" answer; then ok "  it says $1"; else
    not_ok "  it doesn't say $1"
    show answer
fi; }
heads() { check "  its head says $1" grep -qi -- "$1" head; }

base64_of() { base64 "$1" | tr -d '\n'; }
