#!/bin/sh
# latent serve, as its clients meet it: own API, queue, limits, safety, and being killed.
# usage: test_serve.sh LATENT HOLD OPENAPI (curl must be there)
set -u
. "$(dirname "$0")/checks.sh"
. "$(dirname "$0")/server.sh"
latent=$(realpath "$1") hold=$(realpath "$2") openapi=$(realpath "$3")
model=$(realpath "$(dirname "$0")/../../data/emoji.safetensors")
enter

# ---- Jobs ----

field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" answer; } # NAME: of the last answer
# submit JSON [CURL_ARGUMENT...]: prints the job's id; nothing where it isn't taken
submit() {
    body=$1
    shift
    curl -s -m 60 "$@" -d "$body" "$jobs" | sed -n 's/^{"id":"\([0-9a-f]*\)".*/\1/p'
}
state() { curl -s -m 60 "$jobs/$1" | sed -n 's/.*"state":"\([a-z]*\)".*/\1/p'; }
# until_state ID STATE: waits for it, for a minute
until_state() {
    tries=0
    until [ "$(state "$1")" = "$2" ]; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || return 1
        sleep 0.1
    done
}
# draws WHAT FILE JSON: a job whose first picture has the bytes of FILE
draws() {
    id=$(submit "$3")
    if [ -n "$id" ] && until_state "$id" done; then ok "drawn: $1"; else
        not_ok "drawn: $1: $(state "$id")"
        curl -s "$jobs/$id" | show
    fi
    curl -s -m 60 -o drawn "$jobs/$id/pictures/0"
    check "$1: the bytes of the command line" cmp "$2" drawn
}
# with_picture FILE TEMPLATE: a job in the file job, in which @ stands for the picture
with_picture() { printf '%s' "$2" | awk -v picture="$(base64_of "$1")" '{ gsub(/@/, picture); print }' >job; }
long='{"prompt": "a cat", "steps": 150, "count": 100}' # half a minute, or more

# ---- Drawing ----

latent txt2img -q -p "a red apple" --seed 7 --steps 6 --size 64x64 -o one.png >/dev/null
latent txt2img -q -p "a cat" -n "dog" --seed 18446744073709551615 --steps 4 --cfg 3 --sampler euler_a --schedule karras \
    -o two.png >/dev/null
latent txt2img -q -p "a red apple" --seed 7 --steps 6 -o one.jpg >/dev/null
latent img2img -q -i one.png -p "a green apple" --seed 3 --steps 6 --strength 0.6 -o three.png >/dev/null
latent inpaint -q -i one.png --mask two.png -p "a bird" --seed 4 --steps 5 --mask-blur 2 -o four.png >/dev/null

serve --queue 6 --max-body 2 --max-steps 150 --max-pixels 0.3
ask 200 "health" "$base/healthz"
tells '"status":"ok"'
draws "txt2img" one.png '{"prompt": "a red apple", "seed": 7, "steps": 6, "width": 64, "height": 64}'
draws "with other settings" two.png '{"prompt": "a cat", "negative_prompt": "dog", "seed": "18446744073709551615",
    "steps": 4, "guidance": 3, "sampler": "euler_a", "schedule": "karras", "model": "emoji"}'
id=$(submit '{"prompt": "a red apple", "seed": 7, "steps": 6, "format": "jpg", "quality": 30}')
check "a JPEG of less quality" until_state "$id" done
curl -s -o drawn "$jobs/$id/pictures/0"
check "  is smaller" [ "$(wc -c <drawn)" -lt "$(wc -c <one.jpg)" ]
ask 400 "a quality of a PNG" -d '{"quality": 30}' "$jobs"
ask 400 "a quality over all" -d '{"quality": 101, "format": "jpg"}' "$jobs"
draws "as JPEG" one.jpg '{"prompt": "a red apple", "seed": 7, "steps": 6, "format": "jpg"}'
with_picture one.png '{"prompt": "a green apple", "seed": 3, "steps": 6, "strength": 0.6, "image": "@"}'
draws "img2img" three.png @job
with_picture two.png "$(printf '{"prompt": "a bird", "seed": 4, "steps": 5, "mask_blur": 2, "mask": "@", "image": "data:image/png;base64,%s"}' "$(base64_of one.png)")"
draws "inpaint" four.png @job
ask 200 "its picture's type" -D head "$jobs/$id/pictures/0.png"
check "  it is a PNG, of which browsers needn't guess" grep -qi '^content-type: image/png' head
check "  nosniff" grep -qi '^x-content-type-options: nosniff' head
ask 200 "its settings" "$jobs/$id/pictures"
tells '"seed":"4"'
tells 'Steps: 5, Sampler'
ask 200 "the job as it was sent" "$jobs/$id/request"
tells '"mask_blur":2'
id=$(submit '{"prompt": "no seed", "steps": 2}')
check "a seed is chosen" until_state "$id" done
ask 200 "  and told" "$jobs/$id/request"
tells '"seed":[0-9]'
ask 200 "history" "$base/latent/v1/jobs?limit=2"
tells '"prompt":"no seed"'
ask 200 "history, searched" "$base/latent/v1/jobs?words=RED%20apple"
tells '"prompt":"a red apple"'
check "  others are left out" sh -c '! grep -q "no seed" answer'
ask 204 "an ended job is forgotten" -X DELETE "$jobs/$id"
ask 404 "  and gone" "$jobs/$id"

id=$(submit '{"prompt": "x <lora:missing:1>", "steps": 2}')
check "a LoRA that is missing" until_state "$id" done
ask 200 "  is told of" "$jobs/$id"
tells 'lora:missing:1'

# ---- Events ----

id=$(submit '{"prompt": "a dog", "steps": 8, "count": 2, "preview": true, "seed": 1}')
check "events end with the job" curl -s -m 60 -o events "$jobs/$id/events"
for event in progress preview picture end; do check "an event: $event" grep -q "^event: $event" events; done
check "two pictures" [ "$(grep -c '^event: picture' events)" -eq 2 ]
ask 204 "one of them is deleted" -X DELETE "$jobs/$id/pictures/0"
ask 404 "  and gone" "$jobs/$id/pictures/0"
ask 404 "  once" -X DELETE "$jobs/$id/pictures/0"
ask 404 "  and none that never was" -X DELETE "$jobs/$id/pictures/x"
ask 200 "  the other stays" "$jobs/$id/pictures/1"
ask 200 "  and is listed alone" "$jobs/$id/pictures"
check "  with its number" sh -c 'grep -q "\"number\":1" answer && ! grep -q "\"number\":0" answer'
check "  its file stays, the other's is gone" [ "$(find data/pictures -name "$id-*")" = "data/pictures/$id-1.png" ]
check "the last says that it is done" sh -c 'tail -n 2 events | grep -q "\"state\":\"done\""'

# ---- What makes no sense ----

ask 400 "an unknown key" -d '{"prompt": "x", "step": 3}' "$jobs"
tells 'step: there is no such key; did you mean steps'
ask 400 "a wrong number" -d '{"steps": "many"}' "$jobs"
tells 'steps: a whole number'
ask 400 "a number out of range" -d '{"guidance": 1e9}' "$jobs"
ask 400 "an unknown sampler" -d '{"sampler": "ulmer"}' "$jobs"
tells 'did you mean euler'
ask 400 "a seed below -1" -d '{"seed": -2}' "$jobs"
ask 400 "broken JSON" -d '{"prompt": ' "$jobs"
tells 'line 1'
ask 400 "a list" -d '[1]' "$jobs"
ask 400 "a key twice" -d '{"steps": 3, "steps": 4}' "$jobs"
ask 400 "nested without end" -d "$(awk 'BEGIN { while (i++ < 100000) printf "[" }')" "$jobs"
ask 400 "a picture that is none" -d '{"image": "aGVsbG8="}' "$jobs"
ask 400 "no base64" -d '{"image": "%%%"}' "$jobs"
ask 400 "an item that makes no sense" -d '{"loras": [{"name": "x"}, {"name": "y", "strenth": 1}]}' "$jobs"
tells 'loras\[1\].strenth'
ask 400 "an item of another kind" -d '{"loras": [{"name": "x"}, "y"]}' "$jobs"
tells '"loras\[1\]: {name, strength} is wanted'
ask 400 "a field of an item out of range" -d "{\"controls\": [{\"model\": \"x\", \"image\": \"$(base64_of one.png)\", \"strength\": \"x\"}]}" "$jobs"
tells '"controls\[0\].strength: a number'
ask 400 "a picture of an item that is none" -d '{"controls": [{"model": "x", "image": "aGVsbG8="}]}' "$jobs"
tells '"controls\[0\].image: '
ask 400 "an upscale with a prompt" -d "{\"kind\": \"upscale\", \"upscaler\": \"x\", \"image\": \"$(base64_of one.png)\", \"prompt\": \"x\"}" "$jobs"
ask 404 "an unknown model" -d '{"model": "nowhere"}' "$jobs"
cp "$model" outside.safetensors
for name in ../outside ../outside.safetensors "$work/outside.safetensors" outside.safetensors ./outside models/../../outside; do
    ask 404 "a path out of the folder: $name" -d "{\"model\": \"$name\"}" "$jobs"
    ask 404 "  as upscaler" -d "{\"hires_scale\": 2, \"hires_upscaler\": \"$name\"}" "$jobs"
    ask 404 "  as upscaler, behind a formula's name" -d "{\"hires_scale\": 2, \"hires_upscaler\": \"latent/$name\"}" "$jobs"
    ask 404 "  as LoRA" -d "{\"loras\": [{\"name\": \"$name\"}]}" "$jobs"
done
ask 422 "too many steps" -d '{"steps": 151}' "$jobs"
ask 422 "too many pictures" -d '{"count": 101}' "$jobs"
ask 422 "too many pixels" -d '{"width": 1024, "height": 1024}' "$jobs"
ask 422 "too many pixels by hires" -d '{"width": 512, "height": 512, "hires_scale": 2}' "$jobs"
ask 422 "a long prompt" -d "{\"prompt\": \"$(awk 'BEGIN { while (i++ < 70000) printf "a" }')\"}" "$jobs"
awk 'BEGIN { printf "{\"prompt\": \""; while (i++ < 2100000) printf "a"; print "\"}" }' >large
ask 413 "a large body" -d @large "$jobs"
ask 413 "  in pieces" -H 'Transfer-Encoding: chunked' -d @large "$jobs"
ask 404 "no such path" "$base/latent/v1/nothing"
ask 405 "no such method" -X PUT "$jobs"
ask 404 "no such job" "$jobs/0123"
ask 404 "no such picture" "$jobs/$id/pictures/7"
ask 404 "no path of a file" --path-as-is "$jobs/$id/pictures/../../latent.db"

# ---- Who calls ----

ask 421 "a foreign Host" -H 'Host: evil.example' "$base/latent/v1/queue"
ask 403 "a foreign Origin" -H 'Origin: http://evil.example' -d '{}' "$jobs"
ask 403 "Origin null" -H 'Origin: null' -d '{}' "$jobs"
ask 200 "its own Origin" -H "Origin: $base" "$base/latent/v1/queue"
ask 403 "a foreign page's question beforehand" -X OPTIONS -H 'Origin: http://evil.example' "$jobs"

# ---- The queue ----

first=$(submit "$long")
check "a long job is drawn" until_state "$first" running
ids=
ask 409 "no picture is deleted of it" -X DELETE "$jobs/$first/pictures/0"
for i in 1 2 3 4 5 6; do ids="$ids $(submit '{"prompt": "a boat", "steps": 2}')"; done
ask 429 "a full queue" -d '{"prompt": "one too many"}' "$jobs"
tells 'the queue is full: 6 jobs wait'
late=$(submit '{"prompt": "a leaf", "steps": 2}' -H 'Latent-Client: late')
check "one is taken of a client who has none there" [ -n "$late" ]
ask 429 "  but no second" -H 'Latent-Client: late' -d '{"prompt": "a leaf"}' "$jobs"
ask 202 "  and it is cancelled" -X DELETE "$jobs/$late"
last=${ids##* }
ask 200 "the last one's place" "$jobs/$last"
tells '"place":5'
ask 202 "one that waits is cancelled" -X DELETE "$jobs/$last"
tells '"state":"cancelled"'
other=$(submit '{"prompt": "a bird", "steps": 2}' -H 'Latent-Client: other')
ask 200 "another client's comes behind the first of each" "$jobs/$other"
tells '"place":0'
began=$(date +%s%N)
ask 202 "the one that is drawn is cancelled" -X DELETE "$jobs/$first"
until [ "$(state "$first")" = cancelled ] || [ $(($(date +%s%N) - began)) -gt 5000000000 ]; do :; done
took=$((($(date +%s%N) - began) / 1000000))
if [ $took -le 300 ]; then ok "  within 0.3 s: $took ms"; else not_ok "  within 0.3 s: $took ms"; fi
for i in $ids $other; do
    [ "$i" = "$last" ] || check "the others are drawn" until_state "$i" done
done
first=$(submit "$long")
second=$(submit '{"prompt": "a boat"}')
curl -s -m 1 "$jobs/$second/events?cancel=1" >/dev/null
check "who goes away cancels, if asked" until_state "$second" cancelled
curl -s -X DELETE "$jobs/$first" >/dev/null
check "the first is cancelled" until_state "$first" cancelled
ask 200 "numbers" "$base/metrics"
tells '^latent_jobs_cancelled_total 5$'
tells '^latent_jobs_waiting 0$'

# ---- What it says of itself ----

ask 200 "its description" "$base/latent/v1/openapi.json"
cp answer openapi.json
id=$(submit '{"prompt": "a tree", "steps": 2, "preview": true}')
check "a job to describe" until_state "$id" done
"$openapi" openapi.json paths >paths
check "it has paths" [ "$(wc -l <paths)" -ge 10 ]
while read -r method path; do
    case $path in */preview | */events | */default) continue ;; esac # by the tests above, or with a body
    case $method in DELETE) continue ;; esac
    real=$(echo "$path" | sed "s/{id}/$id/; s/{number}/0/")
    body=
    [ "$method" = GET ] || body='-d {}'
    # shellcheck disable=SC2086 # two words, or none
    got=$(curl -s -m 60 -o answer -w '%{http_code}' -X "$method" $body "$base$real")
    check "as described: $method $path, $got" "$openapi" openapi.json check "$method" "$path" "$got" answer
done <paths
got=$(curl -s -o answer -w '%{http_code}' -d '{"steps": -1}' "$jobs")
check "as described: an error" "$openapi" openapi.json check POST /latent/v1/jobs "$got" answer
got=$(curl -s -o answer -w '%{http_code}' -d '{"model": "emoji"}' "$base/latent/v1/models/default")
check "as described: the usual model" "$openapi" openapi.json check POST /latent/v1/models/default "$got" answer
check "what is not described is noticed" sh -c "! echo '{\"id\": 7}' | '$openapi' openapi.json check GET '/latent/v1/jobs/{id}' 200 /dev/stdin"

# ---- Ending ----

first=$(submit "$long")
second=$(submit '{"prompt": "a red apple", "seed": 7, "steps": 6}')
check "a job is drawn when it ends" until_state "$first" running
(sleep 1 && curl -s -o late -w '%{http_code}' -d '{"prompt": "late"}' "$jobs" >late_status) &
stop TERM
check "SIGTERM: it ends well" [ "$status" -eq 0 ]
wait
check "no new jobs meanwhile" [ "$(cat late_status)" = 503 ]
check "no prompts in the log" sh -c '! grep -q "red apple" log'
check "no control characters either" sh -c '! LC_ALL=C grep -q "[[:cntrl:]]" log'
serve --log-prompts
check "what was drawn is drawn again" until_state "$first" running
curl -s -X DELETE "$jobs/$first" >/dev/null
check "what waited is drawn" until_state "$second" done
curl -s -o drawn "$jobs/$second/pictures/0"
check "the same picture" cmp one.png drawn
check "prompts in the log, where asked for" grep -q "red apple" log
refuse "a second server of the same folder" 1 'another server has it' "$latent" serve --port 0 --data data

# ---- Being killed ----

ids=
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do ids="$ids $(submit "{\"prompt\": \"a red apple\", \"seed\": 7, \"steps\": 6, \"count\": 4}")"; done
check "twelve are accepted" [ "$(echo $ids | wc -w)" -eq 12 ]
for pause in 0.05 0.15 0.3 0.1 0.25; do
    sleep $pause
    stop KILL
    serve
done
for i in $ids; do
    check "after being killed: drawn" until_state "$i" done
    curl -s -o drawn "$jobs/$i/pictures/0"
    cmp -s one.png drawn || not_ok "  not the same picture"
    [ "$(curl -s "$jobs/$i/pictures" | grep -o '"number"' | wc -l)" -eq 4 ] || not_ok "  not four pictures"
    [ "$(find data/pictures -name "$i-*" | wc -l)" -eq 4 ] || not_ok "  not four files"
done
check "nothing half is left" [ -z "$(find data/pictures -name '*.part')" ]
stop

# ---- Several at a time ----

serve --workers 2
first=$(submit "$long")
second=$(submit "$long")
check "two are drawn at a time" until_state "$first" running
check "  by one model" until_state "$second" running
ask 200 "numbers" "$base/metrics"
tells '^latent_jobs_running 2$'
curl -s -X DELETE "$jobs/$first" "$jobs/$second" >/dev/null
draws "beside another" one.png '{"prompt": "a red apple", "seed": 7, "steps": 6}'
stop

# ---- Behind a proxy ----

serve --forwarded
first=$(submit "$long")
check "a job is drawn" until_state "$first" running
for i in 1 2 3; do submit '{"prompt": "a boat", "steps": 2}' -H 'X-Forwarded-For: 10.0.0.9, 10.0.0.1' -H 'Latent-Client: x' >/dev/null; done
other=$(submit '{"prompt": "a bird", "steps": 2}' -H 'X-Forwarded-For: 10.0.0.1,10.0.0.2')
ask 200 "clients are who the proxy says" "$jobs/$other"
tells '"place":1'
for from in '10.0.0.3:4711' '[2001:db8::1]:4711' '2001:db8::2' ', ' ''; do
    ask 400 "from $from" -H "X-Forwarded-For: $from" -d '{"steps": 0}' "$jobs"
done
curl -s -X DELETE "$jobs/$first" >/dev/null
stop
for client in 10.0.0.2 10.0.0.3 '\[2001:db8::1\]' 2001:db8::2; do check "  and logged so: $client" grep -q " $client POST " log; done
check "  who isn't told is the proxy" [ "$(grep -c ' 127.0.0.1 POST /latent/v1/jobs 400 ' log)" -ge 2 ]

# ---- A full disk, broken models ----

rm -rf data
head -c 5000 outside.safetensors >models/broken.safetensors
cp outside.safetensors models/good.safetensors
serve
cp outside.safetensors "$(printf 'models/bad\377name.safetensors')"
cp outside.safetensors 'models/Ä "漢字" <b>.safetensors'
ask 200 "models" "$base/latent/v1/models"
tells '"name":"good"'
check "  none without a name" sh -c '! grep -q "\"name\":null" answer'
id=$(submit '{"prompt": "a red apple", "steps": 2, "model": "Ä \"漢字\" <b>"}')
check "one of a strange name" until_state "$id" done
rm -r data/pictures
draws "without the folder of pictures" one.png '{"prompt": "a red apple", "seed": 7, "steps": 6}'
tells '"kind":"broken"'
ask 404 "a broken one can't be named" -d '{"model": "broken"}' "$jobs"
draws "by another model" one.png '{"prompt": "a red apple", "seed": 7, "steps": 6, "width": 64, "height": 64}'
id=$(submit '{"prompt": "x", "model": "good", "steps": 2}')
check "one of the folder" until_state "$id" done
stop
ulimit -S -f 400 # of 512 bytes: what grows further can't be written, as on a full disk
serve
id=$(submit '{"prompt": "x", "steps": 1, "width": 512, "height": 512, "seed": 1}')
check "a picture that can't be written" until_state "$id" failed
ask 200 "  and why" "$jobs/$id"
tells "can't be written: File too large"
check "  nothing half is left" [ -z "$(find data/pictures -name "$id*")" ]
draws "by another client meanwhile" one.png '{"prompt": "a red apple", "seed": 7, "steps": 6}'
stop
ulimit -S -f "$(ulimit -H -f)"

# A disk that is full to its last byte, where this user may mount one: what is deleted makes room.
printf '#!/bin/sh\nexec unshare -rm sh -c '\''mount -t tmpfs -o size=1500k tmpfs data && exec "$0" "$@"'\'' "%s" "$@"\n' "$latent" >on_small_disk
chmod +x on_small_disk
rm -rf data && mkdir data
if unshare -rm mount -t tmpfs tmpfs data 2>/dev/null; then
    program=$latent latent=$work/on_small_disk
    serve
    first=$(submit '{"prompt": "x", "steps": 1, "width": 64, "height": 64, "count": 3}')
    check "the first is drawn" until_state "$first" done
    tries=0
    until [ -z "$(submit '{"prompt": "x", "steps": 1, "width": 64, "height": 64, "count": 3}')" ] || [ $tries -gt 500 ]; do tries=$((tries + 1)); done
    until curl -s "$base/latent/v1/queue" | grep -q '{"jobs":\[\]}' || [ $tries -gt 1000 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    ask 507 "the disk is full" -d '{"prompt": "x"}' "$jobs"
    ask 204 "a job is deleted with its pictures" -X DELETE "$jobs/$first"
    ask 404 "  and gone" "$jobs/$first"
    check "  and so are they" [ -z "$(find "/proc/$pid/root$work/data/pictures" -name "$first*")" ]
    stop_well
    latent=$program
else
    echo "# skip: no disk may be mounted here"
fi

# ---- Keys ----

refuse "others without a key" 1 'key' "$latent" serve --port 0 --data data --host 0.0.0.0
printf '# keys\nsecret\nann:word\n' >keys
serve --key-file keys --cors https://page.example --patience 2
ask 401 "no key" "$base/latent/v1/queue"
ask 401 "a wrong one" -H 'Authorization: Bearer secre' "$base/latent/v1/queue"
ask 401 "a longer one" -H 'Authorization: Bearer secretsecret' "$base/latent/v1/queue"
ask 401 "for what isn't there, too" "$base/nothing"
ask 401 "with a body" -d @large "$jobs"
ask 200 "the key" -H 'Authorization: Bearer secret' "$base/latent/v1/queue"
ask 200 "as anybody's password" -u x:secret "$base/latent/v1/queue"
ask 200 "a user's" -u ann:word "$base/latent/v1/queue"
ask 401 "another user's" -u bob:word "$base/latent/v1/queue"
ask 200 "health is for all" "$base/healthz"
ask 204 "a page that may" -D head -X OPTIONS -H 'Origin: https://page.example' -H 'Access-Control-Request-Headers: authorization' "$jobs"
check "  is told" grep -qi '^access-control-allow-origin: https://page.example' head
ask 200 "  and calls" -D head -H 'Origin: https://page.example' -u x:secret "$base/latent/v1/queue"
check "  and may read" grep -qi '^access-control-allow-origin: https://page.example' head
ask 403 "one that may not" -H 'Origin: https://other.example' -u x:secret "$base/latent/v1/queue"

# ---- Slow clients ----

"$hold" "${base##*:}" 200 20 drip >held &
holder=$!
until grep -q held held; do sleep 0.05; done
ask 200 "others are served beside 200 half requests" -m 5 "$base/healthz"
wait $holder
check "the slow ones are let go" grep -q 'closed 200' held
stop
exit $failed
