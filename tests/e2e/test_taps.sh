#!/bin/sh
# Looking into a drawing over HTTP: what is tapped is what the command line draws, in turn with the jobs, and nothing of
# it stays.
# usage: test_taps.sh LATENT OPENAPI DOCUMENT (curl must be there)
set -u
. "$(dirname "$0")/checks.sh"
. "$(dirname "$0")/server.sh"
latent=$(realpath "$1") openapi=$(realpath "$2") document=$(realpath "$3")
enter
mkdir trained
serve --train-log trained
api=$base/latent/v1
taps=$api/taps

# ---- What is tapped ----

ask 200 "what can be tapped" "$taps"
tells '"kind":"attention","name":"unet.input_blocks.1.1.transformer_blocks.0.attn2"'
ask 200 "at another size" "$taps?width=128&height=64"
tells '"width":128,"height":64'
tells '"name":"x_t","what":null,"level":0,"shape":\[12,8,16\]'
ask 404 "of no model" "$taps?model=nothing"

drawing='"prompt": "a red apple", "negative_prompt": "a tree", "seed": 7, "steps": 6'
ask 200 "a drawing with taps" -o taps.safetensors -d "{$drawing, \"taps\": [
    {\"kind\": \"step\", \"first\": 3, \"last\": 3},
    {\"kind\": \"step\", \"name\": \"x_0\", \"as\": \"picture\", \"every\": 2, \"side\": 32},
    {\"kind\": \"activation\", \"name\": \"unet.middle_block.*\", \"as\": \"components\", \"every\": 3},
    {\"kind\": \"attention\", \"name\": \"unet.middle_block.*\", \"heads\": true, \"as\": \"mean\"},
    {\"kind\": \"heat\"}]}" "$taps"
mv answer taps.safetensors
show_array() { tr '\000' '\n' <taps.safetensors | grep -ao "\"[0-9]*\.$1\":{[^}]*}" || true; }
count() { check "$1: $2" [ "$(show_array "$1" | wc -l)" -eq "$2" ]; }
count 'x_t' 1
count 'eps' 1
count 'eps\.branch' 2
count 'x_0' 4 # one of the third step, and pictures of steps 1, 3 and 5
check "  pictures of 32 pixels" [ "$(show_array x_0 | grep -c '"U8","shape":\[32,32,3\]')" -eq 3 ]
check "  colours of the middle's three blocks" [ "$(show_array 'unet\.middle_block\.[012]' | grep -c '"U8","shape":\[4,4,3\]')" -eq 6 ]
check "  each head's mean" [ "$(show_array 'unet\.middle_block.*attn2' | grep -c '"F32","shape":\[4,77,4,4\]')" -eq 1 ]
check "  heat" [ "$(show_array heat | grep -c '"F32","shape":\[77,8,8\]')" -eq 1 ]
"$latent" txt2img -q -p "a red apple" -n "a tree" --seed 7 --steps 6 --save-latents latents.safetensors -o apple.png 2>/dev/null
# The latent [12, 8, 8] stands before a picture of 64x64 pixels, and last in the command line's file.
latent_of() { tail -c 15360 "$1" | head -c 3072; }
latent_of taps.safetensors >tapped
tail -c 3072 latents.safetensors >drawn
check "the latent is the command line's" cmp tapped drawn

# ---- Noise of one's own ----

zeros=$(head -c 3072 /dev/zero | base64 | tr -d '\n')
ask 200 "noise of one's own" -d "{\"steps\": 1, \"noise\": \"$zeros\"}" "$taps"
cp answer one
ask 200 "  whatever the seed" -d "{\"steps\": 1, \"seed\": 3, \"noise\": \"$zeros\"}" "$taps"
tail -c 12288 one >first
tail -c 12288 answer >second
check "  it makes the same picture" cmp first second
ask 400 "noise of another size" -d "{\"steps\": 1, \"noise\": \"$zeros\", \"width\": 128}" "$taps"
tells 'noise: 768 numbers; the latent has 1536'
ask 400 "noise that is no number" -d '{"noise": "AADAfw=="}' "$taps"
ask 400 "noise that is half a number" -d '{"noise": "AAAA"}' "$taps"

# ---- What makes no sense ----

ask 400 "two pictures" -d '{"count": 2}' "$taps"
ask 400 "an unknown key of a tap" -d '{"taps": [{"kind": "step", "nme": "x_t"}]}' "$taps"
tells 'taps\[0\]: nme: there is no such key; did you mean name'
ask 400 "an unknown kind" -d '{"taps": [{"kind": "stop"}]}' "$taps"
ask 400 "a name that nothing has" -d '{"taps": [{"kind": "step", "name": "x_1"}]}' "$taps"
ask 400 "a picture of heat" -d '{"taps": [{"kind": "heat", "as": "picture"}]}' "$taps"
ask 400 "no list" -d '{"taps": {}}' "$taps"
ask 400 "an upscaling" -d '{"kind": "upscale"}' "$taps"
ask 422 "too many steps" -d '{"steps": 151}' "$taps"
many() { yes "{\"kind\": \"$1\"}," | head -"$2" | tr -d '\n' | sed 's/,$//'; }
ask 422 "too many taps" -d "{\"taps\": [$(many step 257)]}" "$taps"
ask 422 "too much at once" -d "{\"taps\": [$(many activation 256)]}" "$taps"
tells 'more than 256 MB are tapped'

# ---- Parts alone ----

ask 200 "the levels of a schedule" -d '{"sampler": "euler", "schedule": "karras", "steps": 3}' "$api/steps"
tells '"sampler":"euler","schedule":"karras","timesteps":\[99'
ask 400 "of none" -d '{"sampler": "oiler"}' "$api/steps"
picture=$(base64_of apple.png)
ask 200 "a noised picture" -d "{\"image\": \"$picture\", \"timesteps\": [0, 500], \"seed\": 3}" "$api/noise"
mv answer noised
ask 200 "  its chain" -d "{\"image\": \"$picture\", \"timesteps\": [500], \"seed\": 3, \"chain\": true, \"latent\": true}" "$api/noise"
check "  two pictures" [ "$(wc -c <noised)" -gt 24576 ]
ask 400 "a step beyond the schedule" -d "{\"image\": \"$picture\", \"timesteps\": [1000]}" "$api/noise"
ask 400 "no picture" -d '{"image": "AAAA", "timesteps": [1]}' "$api/noise"
ask 400 "no steps" -d "{\"image\": \"$picture\"}" "$api/noise"
ask 200 "a picture's latent" -d "{\"image\": \"$picture\"}" "$api/encode"
latent_of answer >encoded
"$latent" encode apple.png -o latent.safetensors >/dev/null 2>&1
tail -c 3072 latent.safetensors >latent.bytes
check "  is the command line's" cmp encoded latent.bytes
ask 200 "a picture of latents" -d "{\"latents\": \"$zeros\", \"shape\": [12, 8, 8]}" "$api/decode"
ask 400 "of another shape" -d "{\"latents\": \"$zeros\", \"shape\": [4, 8, 8]}" "$api/decode"
ask 400 "of half a latent" -d "{\"latents\": \"$zeros\", \"shape\": [12, 8, 12]}" "$api/decode"
ask 400 "of no end" -d "{\"latents\": \"$zeros\", \"shape\": [12, 1e99, 1e99]}" "$api/decode"
ask 200 "what CLIP thinks" -d "{\"texts\": [\"a red apple\", \"a dog\"], \"images\": [\"$picture\"]}" "$api/similarity"
ask 400 "of nothing" -d '{"texts": ["a"]}' "$api/similarity"
ask 200 "a prompt's tokens" -d '{"prompt": "a (red:1.5) apple BREAK pie"}' "$api/words"
tells '"chunks":2'
tells '{"text":"red","id":736,"chunk":0,"place":2,"weight":1.5}'
tells '{"text":"pie","id":5319,"chunk":1,"place":78,"weight":1.0}'
ask 400 "of one that changes" -d '{"prompt": "[a:b:0.5]"}' "$api/words"

# ---- VAE and CLIP ----

holds() { check "  $1: $2" eval "tr '\\000' '\\n' <answer | grep -ao '\"$1\":{[^}]*}' | grep -q '$2'"; }
ask 200 "a module's blocks" "$taps?module=vae-decoder"
tells '"name":"vae.decoder.mid.attn_1","what":"attention","level":0,"shape":\[128,8,8\]'
check "  as described" "$openapi" "$document" check GET /latent/v1/taps 200 answer
ask 200 "of the text encoder" "$taps?module=clip-text"
tells '"name":"text.encoder.layers.0","what":"transformer","level":0,"shape":\[128,1,77\]'
ask 400 "of none" "$taps?module=nothing"
ask 200 "what the encoder's make" -d "{\"module\": \"vae-encoder\", \"image\": \"$picture\"}" "$api/activations"
holds 'vae.encoder.conv_in' '"U8","shape":\[64,64,3\]'
ask 200 "the decoder's" -d "{\"module\": \"vae-decoder\", \"latents\": \"$zeros\", \"shape\": [12, 8, 8]}" "$api/activations"
holds 'vae.decoder.conv_out' '"U8","shape":\[64,64,3\]'
ask 200 "CLIP's of a text" -d '{"module": "clip-text", "text": "a red apple"}' "$api/activations"
holds 'text.encoder.layers.0' '"U8","shape":\[1,77,3\]'
ask 200 "and of a picture" -d "{\"module\": \"clip-image\", \"image\": \"$picture\"}" "$api/activations"
holds 'image.encoder.layers.0' '"U8","shape":\[1,65,3\]'
ask 400 "of no module" -d '{"module": "unet"}' "$api/activations"
ask 400 "of no picture" -d '{"module": "clip-image"}' "$api/activations"
ask 400 "of latents of another shape" -d "{\"module\": \"vae-decoder\", \"latents\": \"$zeros\", \"shape\": [4, 8, 8]}" "$api/activations"
ask 200 "a drawing behind them" -d '{"steps": 1}' "$taps"

# ---- Learning ----

pictures="[{\"image\": \"$picture\", \"text\": \"a red apple\"}]"
ask 200 "a LoRA" -N -d "{\"pictures\": $pictures, \"steps\": 4, \"sample_steps\": 2, \"rank\": 2, \"prompt\": \"a red apple\", \"seed\": 7}" "$api/training"
check "  four steps" [ "$(grep -c '^event: step$' answer)" -eq 4 ]
check "  samples at 0, 2 and 4" [ "$(grep -c '^event: sample$' answer)" -eq 3 ]
check "  and the file" [ "$(grep -A 1 '^event: end$' answer | sed -n 's/.*"lora":"\([^"]*\)".*/\1/p' | base64 -d | tail -c +9 | head -c 1)" = "{" ]
check "  nothing of it is kept" [ -z "$(find data -name 'training-*')" ]
curl -s -N -m 3 -d "{\"pictures\": $pictures, \"steps\": 1000}" "$api/training" >gone
check "one whose client goes away has begun" grep -q '^event: step$' gone
ask 200 "  and ends" -d '{"steps": 1}' "$taps"
check "  with nothing left" [ -z "$(find data -name 'training-*')" ]
ask 400 "a LoRA of nothing" -d '{}' "$api/training"
ask 400 "of no text" -d "{\"pictures\": [{\"image\": \"$picture\"}]}" "$api/training"
ask 400 "of no picture" -d '{"pictures": [{"image": "AAAA", "text": "a"}]}' "$api/training"
ask 400 "of no steps" -d "{\"pictures\": $pictures, \"steps\": 0}" "$api/training"
ask 400 "at no rate" -d "{\"pictures\": $pictures, \"rate\": 7}" "$api/training"
check "  nothing is left of these" [ -z "$(find data -name 'training-*')" ]

# ---- A training that runs elsewhere ----

training=$api/training
ask 200 "none yet" "$training"
tells '{"followed":true,"logs":\[\]}'
mkdir pictures
for i in 0 1; do
    cp apple.png pictures/$i.png
    echo "{\"file_name\": \"$i.png\", \"label\": \"apple $i\"}" >>pictures/metadata.jsonl
done
check "a training" "$latent" train classifier -d pictures -o trained/c.safetensors --size 16 --space pixel --width 16 --mult 1 --attention 0 --groups 4 --heads 2 -b 1 --steps 3
cp apple.png trained/c.safetensors-3.png
cp apple.png trained/c.safetensors-last.png
cp pictures/metadata.jsonl trained
cp trained/c.safetensors.jsonl outside.jsonl
ln -s ../outside.jsonl trained/link.jsonl
ln -s ../apple.png trained/c.safetensors-4.png
ask 200 "one of that name" "$training"
check "  and nothing else: no data set, nothing by a link" [ "$(grep -o '"name":"[^"]*"' answer)" = '"name":"c.safetensors"' ]
check "  as described" "$openapi" "$document" check GET /latent/v1/training 200 answer
ask 200 "its rows" "$training/c.safetensors"
check "  as described" "$openapi" "$document" check GET '/latent/v1/training/{name}' 200 answer
tells '"steps":\[1.0,2.0,3.0\]'
check "  as they are logged" [ "$(sed 's/.*"values":\[\([^]]*\)\].*/\1/' answer | tr , '\n' | xargs printf '%.6f ')" = \
    "$(sed 's/.*"loss":\([^,]*\),.*/\1/' trained/c.safetensors.jsonl | xargs printf '%.6f ')" ]
check "  one sample" [ "$(grep -o '"step":[0-9]*' answer)" = '"step":3' ]
mkdir -p models/classifiers
"$latent" train classifier -q -d pictures -o models/classifiers/c.safetensors --size 16 --space pixel --width 16 --mult 1 --attention 0 --groups 4 --heads 2 -b 1 --steps 1 >/dev/null 2>&1
ask 200 "a classifier's classes" "$api/models/describe?kind=classifier&name=c"
tells '"classes":\["apple 0","apple 1"\]'
ask 404 "of one that isn't there" "$api/models/describe?kind=classifier&name=emoji"
ask 200 "its rows again" "$training/c.safetensors"
at=$(sed 's/.*"at":\([0-9]*\).*/\1/' answer)
ask 200 "nothing more" "$training/c.safetensors?at=$at"
tells '"steps":\[\]'
printf '{"step":4,"loss":0.25}\n{"step":5,"lo' >>trained/c.safetensors.jsonl
ask 200 "another row, and half of one" "$training/c.safetensors?at=$at"
tells '"steps":\[4.0\],"values":\[0.25\]'
ask 200 "another number" "$training/c.safetensors?field=accuracy"
check "  has a row less" [ "$(sed 's/.*"steps":\[\([^]]*\)\].*/\1/' answer)" = "1.0,2.0,3.0" ]
ask 200 "a sample" "$training/c.safetensors/samples/3"
check "  as it lies there" cmp answer apple.png
for other in nothing metadata link ../outside ..%2foutside c.safetensors.jsonl; do ask 404 "no training: $other" --path-as-is "$training/$other"; done
for other in 4 5 last -1 ../c.safetensors.jsonl; do ask 404 "no sample: $other" --path-as-is "$training/c.safetensors/samples/$other"; done
echo '[]' >>trained/c.safetensors.jsonl
ask 422 "a log that is broken" "$training/c.safetensors?at=$at"

# ---- Turns ----

state() { curl -s "$jobs/$1" | sed 's/.*"state":"\([a-z]*\)".*/\1/'; }
until_state() {
    tries=0
    until [ "$(state "$1")" = "$2" ] || [ $tries -gt 600 ]; do tries=$((tries + 1)) && sleep 0.05; done
    [ "$(state "$1")" = "$2" ]
}
submit() { curl -s -d "$1" "$jobs" | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/'; }
first=$(submit '{"prompt": "a tree", "steps": 150}')
second=$(submit '{"prompt": "a tree", "steps": 150}')
check "a job is drawn" until_state "$first" running
ask 200 "a look meanwhile" -d '{"steps": 1}' "$taps"
check "  comes behind it" [ "$(state "$first")" = done ]
check "  and before the next is done" [ "$(state "$second")" != done ]
check "which goes on" until_state "$second" done

curl -s -m 0.5 -d '{"width": 512, "height": 512, "steps": 150}' "$taps" >/dev/null
began=$(date +%s%N)
ask 200 "a look behind one whose client went away" -d '{"steps": 1}' "$taps"
took=$((($(date +%s%N) - began) / 1000000))
check "  needn't wait for it: $took ms" [ "$took" -lt 2000 ]
ask 200 "no look is among the jobs" "$jobs?limit=200"
check "  but two" [ "$(grep -o '"number":[0-9]*,"state"' answer | wc -l)" -eq 2 ]

(sleep 0.3 && kill -TERM $pid) &
curl -s -m 60 -o late -w '%{http_code}' -d '{"width": 512, "height": 512, "steps": 150}' "$taps" >late_status
wait $pid
check "the server ends though somebody looks: $(cat late_status)" [ $? -eq 0 ]
pid=

# ---- A log alone ----

serve --train-log trained/other.safetensors.jsonl
training=$base/latent/v1/training
ask 200 "of one log, which isn't there yet" "$training"
tells '"logs":\[\]'
cp outside.jsonl trained/other.safetensors.jsonl
ask 200 "it alone" "$training"
check "  once it is there" [ "$(grep -o '"name":"[^"]*"' answer)" = '"name":"other.safetensors"' ]
stop_well
serve
ask 200 "without --train-log" "$base/latent/v1/training"
tells '"followed":false'
ask 404 "  nothing is read" "$base/latent/v1/training/c.safetensors"
stop_well
exit $failed
