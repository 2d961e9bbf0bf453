#!/bin/sh
# What packaging/ has: the systemd unit is right and keeps the server in, the Dockerfile installs every library that the
# program is linked with, asks for its health as it answers, and both start it with options that it has.
# usage: test_packaging.sh LATENT SOURCE (systemd-analyze, curl and bash must be there)
set -u
. "$(dirname "$0")/checks.sh"
. "$(dirname "$0")/server.sh"
latent=$(realpath "$1") packaging=$(realpath "$2")/packaging
enter

unit=$work/latent.service
sed "s,/usr/local/bin/latent,$latent," "$packaging/latent.service" >"$unit"
check "systemd reads the unit" systemd-analyze verify --man=no "$unit"
check "  without a word" [ ! -s check.log ]
check "  what it may do to the machine: 1.5 of 10 at most" systemd-analyze security --offline=true --threshold=15 "$unit"

# Debian's packages of the libraries that the program names; libc6 is there anyway.
objdump -p "$latent" | sed -n 's/^ *NEEDED *//p' >libraries
check "it has libraries" [ "$(wc -l <libraries)" -gt 5 ]
while read -r library; do
    package=$(dpkg-query -S "*/$library" | sed -n '1s/:.*//p')
    case $package in libc6*) ;; *) check "the Dockerfile installs $package" grep -qw -- "$package" "$packaging/Dockerfile" ;; esac
done <libraries

latent serve --help >help
for option in $(grep -hoE -- '--(host|data|models|key-file|no-key|hosts)' "$packaging/Dockerfile" "$packaging/latent.service" | sort -u); do
    check "serve has $option" grep -q -- "$option" help
done

serve --host 0.0.0.0 --no-key
sed -n 's/^HEALTHCHECK CMD \["bash", "-c", "\(.*\)"\]$/\1/p' "$packaging/Dockerfile" | sed "s,\\\\\\\\,\\\\,g; s,\\\\\",\",g; s,7860,${base##*:}," >health
check "there is a word for its health" grep -q healthz health
check "it is well" bash health
stop_well
check "it isn't any more" sh -c '! bash health'
exit $failed
