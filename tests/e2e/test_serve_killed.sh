#!/bin/sh
# 1000 jobs, and a server that is killed 20 times at random while it takes and draws them: none is lost, none is drawn
# twice. Then MORE (500), after which it holds hardly more memory than before: 8640 are a day's, of ten seconds each, in some
# minutes. What grows is the database's pages, up to 1 MiB, the last 256 jobs, and what malloc keeps for as many as waited.
# usage: test_serve_killed.sh LATENT [MORE] (curl must be there)
set -u
. "$(dirname "$0")/checks.sh"
. "$(dirname "$0")/server.sh"
latent=$(realpath "$1") more=${2:-500}
enter

be_killed() {
    stop KILL
    serve
}
# submit N: its id goes to the file ids, if it is taken
submit() {
    curl -s -m 20 -w '\n' -d "{\"prompt\": \"number $1\", \"seed\": $1, \"steps\": 1, \"width\": 32, \"height\": 32}" "$jobs" |
        sed -n 's/^{"id":"\([0-9a-f]*\)".*/\1/p' >>ids
}
until_empty() {
    tries=0
    until curl -s -m 20 "$base/latent/v1/queue" | grep -q '{"jobs":\[\]}' || [ $tries -gt 3000 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}
held() { curl -s -m 20 "$base/metrics" | sed -n "s/^latent_$1_bytes //p"; }

seed=$(date +%s)
echo "# times of being killed: seed $seed"
awk -v seed="$seed" 'BEGIN { srand(seed); for (i = 0; i < 10; i++) print int(1000 * rand()); for (i = 0; i < 10; i++) printf "%.2f\n", 0.7 * rand() >"pauses" }' >moments
serve
: >ids
i=0
while [ $i -lt 1000 ]; do
    submit $i
    if grep -qx $i moments; then be_killed; fi
    i=$((i + 1))
done
while read -r pause; do
    sleep "$pause"
    be_killed
done <pauses
until_empty
check "1000 were taken" [ "$(sort -u ids | wc -l)" -eq 1000 ]
sed "s,.*,url = \"$jobs/&\",; a output = \"-\"" ids >asked
curl -s -K asked | grep -o '"state":"[a-z]*","picture":[0-9]*' | sort | uniq -c >states
check "each was drawn, to one picture" grep -q '^ *1000 "state":"done","picture":1$' states
[ "$(wc -l <states)" -eq 1 ] || show states
check "a file of each, and no other" [ "$(find data/pictures -type f | wc -l)" -eq 1000 ]
before=$(held memory_held)
while [ $i -lt $((1000 + more)) ]; do
    submit $i
    # no more wait than may
    if [ $((i % 500)) -eq 499 ]; then until_empty; fi
    i=$((i + 1))
done
until_empty
after=$(held memory_held) database=$(held store_memory)
check "all are taken" [ "$(sort -u ids | wc -l)" -eq $((1000 + more)) ]
ask 200 "numbers" "$base/metrics"
tells "^latent_jobs_failed_total 0$"
check "$more more: $before bytes held before, $after after" [ "${after%.*}" -lt $((${before%.*} + 6000000)) ]
check "  of which the database holds $database" [ "${database%.*}" -lt 1300000 ]
stop_well
exit $failed
