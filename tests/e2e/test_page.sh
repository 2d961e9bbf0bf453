#!/bin/sh
# The page as `latent serve` gives it, and what it asks of the server; what it does in a browser is tests/browser's.
# usage: test_page.sh LATENT WEB (curl must be there)
set -u
. "$(dirname "$0")/checks.sh"
. "$(dirname "$0")/server.sh"
latent=$(realpath "$1") web=$(realpath "$2")
enter
serve

# ---- Files ----

ask 200 "the page" "$base/"
check "  as it stands in web/" cmp answer "$web/index.html"
heads "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'"
check "  and lets nothing inline" sh -c '! grep -q unsafe head'
etag=$(sed -n 's/^[Ee][Tt][Aa][Gg]: *\(.*\)\r$/\1/p' head)
ask 304 "the page that is known" -H "If-None-Match: $etag" "$base/"
ask 200 "the page that has changed" -H 'If-None-Match: "0"' "$base/"
(cd "$web" && find . -name '*.js' -o -name '*.mjs' -o -name '*.css' -o -name '*.svg' -o -name '*.html') | sed 's,^\./,,' | sort >files
while read -r name; do
    ask 200 "$name" "$base/page/$name"
    check "  as it stands in web/" cmp answer "$web/$name"
done <files
check "there are some" [ "$(wc -l <files)" -gt 20 ]
total=$(while read -r name; do wc -c <"$web/$name"; done <files | awk '{sum += $1} END {print sum}')
if [ "$total" -lt 300000 ]; then ok "under 300 KB: $total"; else not_ok "under 300 KB: $total"; fi
ask 404 "no other file" "$base/page/secret.js"
ask 404 "none by a path" --path-as-is "$base/page/../server/page.c"
ask 405 "only to be got" -X POST "$base/"
# The name of SVG is no address that anybody asks.
check "no address of another host in it" sh -c "! grep -rnE 'https?://' '$web' --include='*.js' --include='*.css' --include='*.html' | grep -v '.http://www.w3.org/2000/svg.,'"

# ---- What is vendored, what is said ----

sed -n 's/^| `\([a-z]*\.mjs\)`.*| `\([0-9a-f]\{64\}\)` |$/\2  \1/p' "$web/vendor/README.md" >sums
check "three vendored modules" [ "$(wc -l <sums)" -eq 3 ]
(cd "$web/vendor" && sha256sum --quiet -c "$work/sums") && ok "  of the sums that are written down" || not_ok "  of the sums that are written down"
keys() { sed -n "s/^  '\{0,1\}\([a-zA-Z0-9.-]*\)'\{0,1\}: .*/\1/p" "$1" | sort; }
keys "$web/strings/en.js" >english
check "it says something" [ "$(wc -l <english)" -gt 100 ]
for language in "$web"/strings/*.js; do
    keys "$language" >keys
    check "all of it in $(basename "$language")" cmp english keys
done

# ---- What it asks ----

api=$base/latent/v1
ask 200 "tokens" -d '{"prompt": "a (red:1.2) apple <lora:ink:0.8>"}' "$api/tokens"
tells '"tokens":3,"room":75,"networks":\["ink"\]'
ask 200 "tokens behind a BREAK" -d '{"prompt": "a cat BREAK a dog"}' "$api/tokens"
tells '"tokens":77,"room":150'
ask 200 "tokens of the longest step" -d '{"prompt": "[a:a red apple:0.5] here"}' "$api/tokens"
tells '"tokens":4,'
ask 400 "tokens of no text" -d '{"prompt": 7}' "$api/tokens"
ask 200 "the usual model" "$api/models/describe"
tells '"width":64,"height":64,"factor":8'
ask 404 "another one" "$api/models/describe?name=nothing"
"$latent" txt2img -p 'a (green:1.3) tree' -n snow --seed 42 --steps 3 --cfg 5.5 --sampler euler_a -o tree.png >/dev/null 2>&1
ask 200 "a picture's settings" --data-binary @tree.png "$api/parameters"
tells '"prompt":"a (green:1.3) tree","negative_prompt":"snow"'
tells '"guidance":5.5,"sampler":"euler_a"'
curl -s --data-binary @tree.png "$api/parameters" | sed 's/.*"job":\(.*\)}$/\1/' >job
id=$(curl -s -d @job "$api/jobs" | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
tries=0
until curl -s "$api/jobs/$id" | grep -q '"state":"done"' || [ $tries -gt 600 ]; do tries=$((tries + 1)) && sleep 0.05; done
curl -s -o again.png "$api/jobs/$id/pictures/0"
check "  are a job that makes it again" cmp tree.png again.png
ask 404 "a picture without" --data-binary "@$(dirname "$web")/docs/emoji.png" "$api/parameters"
ask 400 "no picture" -d 'hello' "$api/parameters"
ask 400 "nothing" -X POST "$api/parameters"
printf 'a castle\nNegative prompt: fog\nSteps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6, Seed: 77, Size: 64x64, Clip skip: 2' >text
ask 200 "a web UI's text" --data-binary @text "$api/parameters?text=1"
tells '"clip_skip":2'
tells '"seed":77'
printf 'a caf\351\nSteps: 3' >text
ask 200 "a text that is no UTF-8" --data-binary @text "$api/parameters?text=1"
tells '"prompt":"a caf?'
stop_well
exit $failed
