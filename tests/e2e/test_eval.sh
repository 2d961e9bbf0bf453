#!/bin/sh
# latent eval as its users run it: on synthetic models and pictures that they drew themselves.
# usage: test_eval.sh LATENT
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1")
enter

# What it prints goes to the files out and err.
evaluate() { "$latent" eval "$@" >out 2>err; }
small() { evaluate -m tiny.safetensors --size 64 --steps 2 --seeds 2 --seed 5 "$@"; }
says() { check "$1" grep -q -- "$2" out; }

"$latent" convert --synthetic tiny tiny.safetensors && "$latent" convert --synthetic tiny-clip clip || exit 1
cat >prompts.jsonl <<'END'
{"prompt": "a red apple", "emoji": "apple"}
{"prompt": "a green pear", "emoji": "pear"}
END
printf 'a red apple\n\na green pear\n' >prompts.txt
touch out err

# ---- Drawing ----

check "prompts are drawn" small --prompts prompts.jsonl --sheet sheet.png --columns 3 --pictures drawn
says "what was drawn" '^drawn: 2 prompts, 2 seeds each, 64x64, dpmpp_2m, 2 steps, cfg 7.5: '
check "it is all there is to say" test "$(wc -l <out)" -eq 1
for file in 001-5 001-6 002-5 002-6; do check "drawn/$file.png" test -s drawn/$file.png; done
"$latent" inspect sheet.png >out 2>err
says "the sheet has three columns, and two rows with captions of two lines" '208x184'
check "the same picture by txt2img" "$latent" txt2img -m tiny.safetensors -q -p "a red apple" --plain-prompt -W 64 -H 64 \
    --steps 2 --seed 6 -o same.png
check "it has the same bytes" cmp same.png drawn/001-6.png
check "a list of bare prompts" small --prompts prompts.txt --count 1 --seeds 1 --json
says "one prompt of it" '"drawn":{"prompts":1,"seeds":1,"seed":"5","width":64,'

# ---- CLIP ----

check "a CLIP score" small --prompts prompts.jsonl --clip clip
says "for people" '^CLIP: similarity -\{0,1\}0\.[0-9]* (x100: .*), score .*; with other prompts .*; finds the prompt first .* of 2$'
check "as JSON" small --prompts prompts.jsonl --clip clip --json
says "one object" '^{.*"clip":{"similarity":[-0-9.]*,"score":[0-9.]*,"other_prompts":[-0-9.]*,"prompts":2,"recall":{"1":.*}.*}$'
check "with one prompt" small --prompts prompts.txt --count 1 --clip clip --json
says "there are no others" '"other_prompts":null'

# ---- Retrieval: of pictures that are those of the data set ----

cat >drawn/metadata.jsonl <<'END'
{"file_name": "001-5.png", "text": "a red apple", "emoji": "apple"}
{"file_name": "001-6.png", "text": ["a red apple", "fruit"], "emoji": "apple"}
{"file_name": "002-5.png", "text": "a green pear", "emoji": "pear"}
{"file_name": "002-6.png", "emoji": "pear"}
END
check "retrieval" small --prompts prompts.jsonl --data drawn
says "every sample finds itself" '^retrieval at 1, 5, 10: 100.0 %, 100.0 %, 100.0 % of samples; by chance 50.00 %, 100.00 %, .* among 4 pictures$'
sed 's/"emoji"/"name"/' drawn/metadata.jsonl >metadata && cp metadata drawn/metadata.jsonl
sed 's/"emoji"/"name"/; s/apple"}/x"}/; s/pear"}/apple"}/; s/x"}/pear"}/' prompts.jsonl >swapped.jsonl
check "by another key, for the wrong things" small --prompts swapped.jsonl --data drawn --key name --json
says "nothing is found first" '"retrieval":{"pictures":4,"hits":{"1":0[.0]*,"5":1[.0]*,'

# ---- Judges ----

mkdir judged
cp drawn/*.png judged
cat >judged/metadata.jsonl <<'END'
{"file_name": "001-5.png", "label": "apple"}
{"file_name": "001-6.png", "label": "apple"}
{"file_name": "002-5.png", "label": "pear"}
{"file_name": "002-6.png", "label": "pear"}
END
check "a judge learns" "$latent" train classifier -d judged --space pixel --clean --size 16 --batch 4 --width 8 --groups 2 --mult 1,2 \
    --attention 0,1 --rate 1e-2 --warmup 0 --steps 80 -q -o judge.safetensors
"$latent" train classifier -d judged --vae tiny.safetensors --size 64 --batch 2 --width 8 --groups 2 --mult 1,2 --attention 0,1 --steps 1 -q \
    -o latents.safetensors
cat >judged/metadata.jsonl <<'END'
{"file_name": "001-5.png", "kind": "plain", "thing": "apple", "shape": "apple"}
{"file_name": "001-6.png", "kind": "plain", "thing": "apple", "shape": "pear"}
{"file_name": "002-5.png", "kind": "plain", "thing": "plum", "shape": "pear"}
{"file_name": "002-6.png", "kind": "pair", "thing": "pear", "things": ["pear", "plum"], "relation": "left"}
END
judge() { "$latent" eval --judge judged --judges thing=judge.safetensors,shape=judge.safetensors "$@" >out 2>err; }
check "judges look" judge
says "each where it knows what is asked for" \
    '^judged, plain: 66.7 % of 3 right in all parts; thing 100.0 % of 2; shape 66.7 % of 3$'
says "a pair with a thing that it doesn't know is passed over" '^judged, pair: no judge knows any of it$'
check "as JSON" judge --json
says "one object" '"judgement":{"plain":{"all":{"right":2,"of":3},"aspects":{"thing":{"right":2,"of":2},"shape":{"right":2,"of":3}}},"pair"'
sed 's/"plum"/"apple"/' judged/metadata.jsonl >pairs && cp pairs judged/metadata.jsonl
check "judges of a pair" judge --json
says "look for both things" '"pair":{"all":{"right":[01],"of":1},"aspects":{"thing":{"right":[01],"of":1},"shape":{"right":0,"of":0}}}'
refuse "judges without files" 1 'not KEY=FILE' latent eval --judge judged --judges thing
refuse "judges without pictures" 2 'need each other' latent eval --judges thing=judge.safetensors
refuse "a judge that judges nothing" 1 'no classifier' latent eval --judge judged --judges thing=tiny.safetensors
refuse "a judge of latents" 1 'space pixel' latent eval --judge judged --judges thing=latents.safetensors

# ---- Data sets ----

check "all three at once" small --reconstruct drawn --recall drawn --clip clip --bound drawn --timesteps 3 --count 3
says "reconstruction" '^reconstruction: PSNR [0-9.]* dB a picture, [0-9.]* dB of the mean error; 3 of 64x64, worst 00'
says "the bound" '^bound, variance posterior: [-0-9.]* +- [0-9.]* nats a dimension ([-0-9.]* bits): L_T 0.0[0-9]*, L_t-1 .*, L_0 .*; 3 latents of 256 dimensions, 3 timesteps$'
says "with the other variance" '^bound, variance beta: '
check "the bound as JSON" small --bound drawn --timesteps 3 --json
cp out first
says "its terms" '^{"bound":{"pictures":4,"size":64,"dimensions":256,"timesteps":3,"posterior":{"nats":[-0-9.]*,"bits":.*,"L_T":.*,"L_t-1":.*,"L_0":.*},"beta":{.*}}}$'
check "the same again" small --bound drawn --timesteps 3 --json
check "the same numbers" cmp out first
check "another seed" small --bound drawn --timesteps 3 --json --seed 6
check "other numbers" eval '! cmp out first'
check "recall needs no other model" evaluate --clip clip --recall drawn --json
says "equal texts are one" '^{"recall":{"pictures":3,"texts":2,"text_to_picture":{"1":.*,"5":1[.0]*,"10":1[.0]*},"picture_to_text":{.*}}}$'
check "or the model's own towers" evaluate -m clip --recall drawn

# ---- What makes no sense ----

printf '{"prompt": "a"}\n{"prompt": ' >broken.jsonl
printf '{"prompt": "a", "emoji": "kiwi"}\n' >unknown.jsonl
mkdir unnamed empty && cp drawn/001-5.png unnamed
printf '{"file_name": "001-5.png"}\n' >unnamed/metadata.jsonl
sed 's/"name"/"emoji"/' metadata >drawn/metadata.jsonl
refuse "nothing to measure" 2 "what is to be measured" evaluate -m tiny.safetensors
refuse "words" 2 'what is "x"' evaluate x --prompts prompts.txt
refuse "a sheet of nothing" 2 "--prompts" evaluate -m tiny.safetensors --recall drawn --sheet sheet.png
refuse "a sheet that is no picture" 2 "must end in" evaluate -m tiny.safetensors --prompts prompts.txt --sheet sheet.txt
refuse "a sheet in no folder" 1 "can't write there" evaluate -m tiny.safetensors --prompts prompts.txt --sheet nowhere/sheet.png
refuse "a sheet that is too wide" 1 "a side may have" evaluate -m tiny.safetensors --prompts prompts.txt --sheet x.png --seeds 1000 --columns 1000
refuse "prompts that are not there" 1 "nowhere.txt" evaluate -m tiny.safetensors --prompts nowhere.txt
refuse "prompts that are a picture" 1 "same.png: line 1" evaluate -m tiny.safetensors --prompts same.png
refuse "a broken line" 1 "broken.jsonl: line 2: broken JSON" evaluate -m tiny.safetensors --prompts broken.jsonl
refuse "prompts without the key" 1 'broken.jsonl: line 1: "emoji" is missing' evaluate -m tiny.safetensors --prompts broken.jsonl --data drawn
refuse "bare prompts for retrieval" 1 "bare prompts" evaluate -m tiny.safetensors --prompts prompts.txt --data drawn
refuse "a thing that the data set lacks" 1 "line 1 .*kiwi" evaluate -m tiny.safetensors --size 64 --prompts unknown.jsonl --data drawn
refuse "a data set without the key" 1 'no line has "emoji"' evaluate -m tiny.safetensors --prompts prompts.jsonl --data unnamed
refuse "a data set that is not there" 1 "nowhere" evaluate -m tiny.safetensors --prompts prompts.jsonl --data nowhere
refuse "a data set without pictures" 1 "no picture" evaluate -m tiny.safetensors --reconstruct empty
refuse "a size between" 1 "multiples of 8" evaluate -m tiny.safetensors --prompts prompts.txt --size 63
refuse "a size between, of a data set" 1 "multiples of 8" evaluate -m tiny.safetensors --reconstruct drawn --size 63
refuse "a folder that is a file" 1 "can't be made" evaluate -m tiny.safetensors --size 64 --prompts prompts.txt --pictures prompts.txt
refuse "recall without an image encoder" 1 "CLIP model of both towers" evaluate -m tiny.safetensors --recall drawn
refuse "recall without texts" 1 "different texts" evaluate --clip clip --recall unnamed
refuse "a bound of CLIP" 1 "no U-Net" evaluate -m clip --bound drawn
refuse "prompts for CLIP" 1 "can't draw" evaluate -m clip --prompts prompts.txt
refuse "0 seeds" 2 "--seeds" evaluate -m tiny.safetensors --prompts prompts.txt --seeds 0
refuse "an unknown sampler" 2 "--sampler" evaluate -m tiny.safetensors --prompts prompts.txt --sampler fast

# The folder says when drawing is about to begin.
stopped() {
    "$latent" eval -m tiny.safetensors --size 256 --steps 1000 --prompts prompts.txt --pictures begun >out 2>err &
    child=$!
    while [ ! -e begun ] && kill -0 $child; do sleep 0.1; done
    kill -INT $child
    wait $child
    got=$?
    [ $got -eq 130 ] && [ ! -s out ] && grep -q '^latent: stopped' err && [ -z "$(ls -A begun)" ]
}
check "Ctrl-C stops at once" stopped
check "no half file is left anywhere" eval '[ -z "$(find . -name "*.part")" ]'

exit $failed
