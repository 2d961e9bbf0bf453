#!/bin/sh
# The commands that are not about making pictures, as their users run them.
# usage: test_cli_tools.sh LATENT GOLDEN_FOLDER COMPARE
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1") golden=$(realpath "$2") compare=$(realpath "$3")
enter

# runs WHAT COMMAND...: the command succeeds. Its output is in out and err.
into_files() { "$@" >out 2>err; }
runs() {
    what=$1
    shift
    check "$what" into_files "$@"
}

# refused STATUS WHAT COMMAND...: it ends with that status and one message.
refused() {
    want=$1 what=$2
    shift 2
    "$@" >out 2>err </dev/null
    got=$?
    if [ $got -eq "$want" ] && [ "$(grep -c '^latent: ' err)" -eq 1 ] && [ "$(wc -l <err)" -eq 1 ]; then ok "$what: $(cat err)"; else
        not_ok "$what: status $got, expected $want and one message"
        show err
    fi
}

# says WHAT PATTERN: the last output has a line that matches.
says() { if grep -q -- "$2" out; then ok "$1"; else
    not_ok "$1: nothing like \"$2\" in the output"
    show out
fi; }

same() { check "$1" cmp "$2" "$3"; }

# ---- Help and usage ----

runs "latent --help" "$latent" --help
runs "latent --version" "$latent" --version
commands=$("$latent" --help | awk '/^  [a-z]/ { print $1 }')
[ "$(echo "$commands" | wc -l)" -ge 14 ] && ok "all commands are listed" || not_ok "commands are missing: $commands"
for command in $commands; do
    runs "latent $command --help" "$latent" "$command" --help
    says "its examples" '^examples:'
    limit=60
    case $command in
    train) limit=90 ;;                       # six trainers
    txt2img | img2img | inpaint) limit=100 ;; # all that a picture may be asked for
    esac
    [ "$(wc -l <out)" -le $limit ] && ok "it is short" || not_ok "it has $(wc -l <out) lines"
    refused 2 "an option that $command lacks" "$latent" "$command" --no-such-option
done
refused 2 "an unknown command" "$latent" inspct
grep -q 'did you mean inspect' err && ok "a suggestion" || not_ok "no suggestion: $(cat err)"

runs "completion" "$latent" completion bash
cp out completion.bash
if command -v bash >/dev/null; then runs "bash reads the completion" bash -n completion.bash; fi
refused 2 "completion for a shell that we don't know" "$latent" completion tcl

# ---- Synthetic checkpoints ----

runs "a synthetic tiny checkpoint" "$latent" convert --synthetic tiny tiny.safetensors
[ "$(sha256sum <tiny.safetensors)" = "1e7424fa66e0d6b03766f5b54fea2d672c1f8cef9727c241159548f0cfa5e2ab  -" ] &&
    ok "it is the reference generator's, bit for bit" || not_ok "it differs from the reference generator's"
runs "a synthetic tiny CLIP" "$latent" convert --synthetic tiny-clip clip
runs "tiny-inpaint in bf16" "$latent" convert --synthetic tiny-inpaint inpaint.safetensors --type bf16
refused 2 "an unknown synthetic name" "$latent" convert --synthetic huge x.safetensors
refused 2 "a synthetic one of another layout" "$latent" convert --synthetic tiny x --to diffusers
refused 1 "a synthetic folder over a full one" "$latent" convert --synthetic tiny-clip clip

# ---- convert ----

runs "names as they are" "$latent" convert tiny.safetensors plain.safetensors
runs "LDM to diffusers" "$latent" convert tiny.safetensors folder --to diffusers
runs "diffusers to LDM" "$latent" convert folder back.safetensors
same "the same tensors after LDM, diffusers, LDM" plain.safetensors back.safetensors
for file in model_index.json unet/config.json unet/diffusion_pytorch_model.safetensors vae/config.json \
    vae/diffusion_pytorch_model.safetensors text_encoder/config.json text_encoder/model.safetensors \
    scheduler/scheduler_config.json tokenizer/vocab.json tokenizer/merges.txt tokenizer/tokenizer_config.json \
    tokenizer/special_tokens_map.json; do
    [ -s "folder/$file" ] && ok "folder/$file" || not_ok "folder/$file is missing"
done
grep -q '^{"!":0,.*"a</w>":320,.*"<|startoftext|>":49406,"<|endoftext|>":49407}$' folder/tokenizer/vocab.json &&
    ok "vocab.json numbers the tokens" || not_ok "vocab.json"
[ "$(wc -l <folder/tokenizer/merges.txt)" -eq 48895 ] && ok "merges.txt has every merge" || not_ok "merges.txt"
runs "diffusers to diffusers" "$latent" convert folder folder2/ --to diffusers
runs "the same folder again" diff -r folder folder2
runs "a component's folder, names as they are" "$latent" convert folder/unet unet.safetensors
same "the component's own file" unet.safetensors folder/unet/diffusion_pytorch_model.safetensors
runs "a part to LDM" "$latent" convert folder/vae vae.safetensors --to ldm
runs "inspect the part" "$latent" inspect vae.safetensors
says "its layout" 'LDM checkpoint: VAE$'

# What a folder's scheduler says goes with the model, there and back.
cp -r folder noise
sed -i 's/"prediction_type": "epsilon"/"prediction_type": "v_prediction", "rescale_betas_zero_snr": true/' \
    noise/scheduler/scheduler_config.json
runs "a folder of another noise schedule to a file" "$latent" convert noise noise.safetensors
runs "and back" "$latent" convert noise.safetensors noise2 --to diffusers
for model in noise noise.safetensors noise2; do
    runs "inspect $model" "$latent" inspect $model
    says "its schedule" 'predicts v; betas: scaled_linear, zero terminal SNR$'
done

runs "to f32" "$latent" convert tiny.safetensors f32.safetensors --type f32
runs "to f16" "$latent" convert f32.safetensors f16.safetensors --type f16
same "f16 to f32 to f16 loses nothing" plain.safetensors f16.safetensors
runs "to bf16" "$latent" convert f32.safetensors bf16.safetensors --type bf16
runs "inspect bf16" "$latent" inspect bf16.safetensors
says "bf16 everywhere" 'all .* BF16$'
runs "bf16 is near" "$compare" bf16.safetensors f32.safetensors model.diffusion_model.out.2.weight 4e-3
runs "folder in f32" "$latent" convert tiny.safetensors folder32 --to diffusers --type f32
runs "its U-Net is in f32" "$compare" folder32/unet/diffusion_pytorch_model.safetensors f32.safetensors conv_out.bias inf
runs "folder in f32 to a file in f16" "$latent" convert folder32 f16.safetensors --type f16
same "and back" plain.safetensors f16.safetensors
printf '{"weight_map": {"model.diffusion_model.out.2.bias": "tiny.safetensors"}}' >x.index.json
runs "an index of shards" "$latent" convert x.index.json sharded.safetensors
same "what the shards hold" plain.safetensors sharded.safetensors

runs "a PyTorch checkpoint" "$latent" convert "$golden/formats/nested.ckpt" nested.safetensors
for tensor in f32 f16 bf16 f64 i64 transposed strided permuted shared.b scalar; do
    runs "its tensor $tensor" "$compare" nested.safetensors "$golden/formats/nested.safetensors" $tensor 0
done
runs "a PyTorch checkpoint to f16" "$latent" convert "$golden/formats/nested.ckpt" nested16.safetensors --type f16
runs "inspect it" "$latent" inspect nested16.safetensors --tensors
says "whole numbers stay as they are" 'I64 .*position_ids'
says "numbers are converted" 'F16 .*strided'
says "single values stay as they are" 'F32 *\[\] *scalar'

runs "metadata" "$latent" convert "$golden/tiny/txt2img_ddim.safetensors" metadata.safetensors
runs "inspect metadata" "$latent" inspect metadata.safetensors
says "they are kept" 'metadata prompt = a photo of an astronaut riding a horse on mars'
runs "v-prediction to diffusers" "$latent" convert tiny.safetensors v --to diffusers --prediction v
runs "v-prediction to LDM" "$latent" convert v v.safetensors
for model in v v.safetensors; do
    runs "inspect $model" "$latent" inspect $model
    says "it predicts v" 'predicts v'
done
runs "CLIP, names as they are" "$latent" convert clip clip.safetensors
runs "its tensors" "$compare" clip.safetensors clip/model.safetensors visual_projection.weight 0

runs "another VAE" "$latent" convert tiny.safetensors other.safetensors --vae inpaint.safetensors
runs "it is that one's" "$compare" other.safetensors inpaint.safetensors first_stage_model.decoder.conv_in.weight 1e-7
runs "and the U-Net the model's own" "$compare" other.safetensors tiny.safetensors model.diffusion_model.out.2.weight 0
refused 2 "over the VAE" "$latent" convert tiny.safetensors inpaint.safetensors --vae inpaint.safetensors
rm other.safetensors

# ---- merge ----

runs "a model merged with itself" "$latent" merge tiny.safetensors folder -o merged.safetensors --weight 0.25
runs "its U-Net is the same" "$compare" merged.safetensors plain.safetensors model.diffusion_model.out.2.weight 0
runs "its text encoder too" "$compare" merged.safetensors plain.safetensors \
    cond_stage_model.transformer.text_model.embeddings.token_embedding.weight 0
runs "a difference by block, in a folder" "$latent" merge tiny.safetensors tiny.safetensors folder --to diffusers \
    --blocks IN=1,text=0 -o merged
runs "the same model" "$compare" merged/vae/diffusion_pytorch_model.safetensors \
    folder/vae/diffusion_pytorch_model.safetensors decoder.conv_in.weight 0
runs "an inpainting model" "$latent" merge inpaint.safetensors tiny.safetensors plain.safetensors -w 1 -o merged9.safetensors
runs "inspect it" "$latent" inspect merged9.safetensors
says "it has 9 channels" '9 channels in'
says "how it was made" 'sd_merge_recipe.*"interp_method":"Add difference"'
refused 1 "the inpainting model second" "$latent" merge tiny.safetensors inpaint.safetensors -o x.safetensors
grep -q 'the inpainting model goes first' err && ok "it says so" || not_ok "it says: $(cat err)"
refused 1 "another kind of model" "$latent" merge tiny.safetensors clip -o x.safetensors
refused 1 "25 numbers for 26 blocks" "$latent" merge tiny.safetensors plain.safetensors -o x.safetensors --blocks "$(seq -s, 0 .1 2.4)"
refused 2 "one model" "$latent" merge tiny.safetensors -o x.safetensors
refused 2 "nowhere" "$latent" merge tiny.safetensors plain.safetensors
refused 2 "over one of them" "$latent" merge tiny.safetensors plain.safetensors -o ./plain.safetensors
rm -r merged.safetensors merged9.safetensors merged

refused 1 "a folder over a full one" "$latent" convert tiny.safetensors folder --to diffusers
runs "it is as it was" diff -r folder folder2
refused 1 "a file over a folder" "$latent" convert tiny.safetensors folder
refused 1 "a folder over a file" "$latent" convert tiny.safetensors plain.safetensors --to diffusers
refused 1 "a folder that is not there" "$latent" convert tiny.safetensors nowhere/x.safetensors
refused 1 "a folder in one that is not there" "$latent" convert tiny.safetensors nowhere/x --to diffusers
refused 1 "a checkpoint that is not there" "$latent" convert nothing.safetensors x.safetensors
refused 1 "averaged weights that are not there" "$latent" convert tiny.safetensors x.safetensors --ema
refused 1 "CLIP as a diffusers folder" "$latent" convert clip x --to diffusers
refused 1 "values that f16 can't hold" "$latent" convert "$golden/formats/rounding.safetensors" x.safetensors --type f16
refused 1 "a pickle that calls something" "$latent" convert "$golden/formats/attack.ckpt" x.safetensors
for name in x.ckpt x.PNG -; do
    refused 2 "another format than safetensors: $name" "$latent" convert tiny.safetensors $name
    refused 2 "likewise of a latent" "$latent" encode -m tiny.safetensors "$golden/tiny/input.png" -o $name
    refused 2 "likewise of saved latents" "$latent" txt2img -p a -o x.png --save-latents $name
    refused 2 "likewise of outputs" "$latent" run unet -m tiny.safetensors --in tiny.safetensors --out $name
    refused 2 "likewise of a training" "$latent" train vae -d . -o $name
    [ ! -e ./$name ] && ok "no $name" || not_ok "$name was written"
done
refused 2 "a last option without its value" "$latent" convert tiny.safetensors x.safetensors --type
grep -q -e '--type: needs a value' err && ok "it is named" || not_ok "$(cat err)"
refused 2 "an unknown type" "$latent" convert tiny.safetensors x.safetensors --type int4
refused 2 "no OUT" "$latent" convert tiny.safetensors
[ -z "$(find . -name '*.part')" ] && [ ! -e x.safetensors ] && [ ! -e x ] && ok "no half files" || not_ok "half files: $(ls)"

# ---- inspect ----

runs "inspect a file" "$latent" inspect tiny.safetensors
says "its layout" 'LDM checkpoint: text encoder, VAE, U-Net'
says "parameters of the U-Net" 'U-Net *686 *34008260 .*F16'
says "its size" 'trained for 512x512'
says "in which precision it is drawn: it is small" '--precision auto here: f32$'
runs "inspect a folder" "$latent" inspect folder
says "its components" 'unet is diffusers: U-Net'
says "their parameters" 'all *986 *58270955'
runs "inspect an inpainting model" "$latent" inspect inpaint.safetensors
says "its channels" '9 channels in (inpainting)'
runs "inspect a CLIP" "$latent" inspect clip --layers
says "its layers" 'conv 16x16 by 16 *vision_model.embeddings.patch_embedding'
runs "every layer" "$latent" inspect tiny.safetensors -W 256 -H 128
says "the first convolution: 16x32 pixels, 64 x (4 x 9 + 1) parameters" '16x32x64 *2368 .*conv 3x3 *input_blocks.0.0'
says "the last convolution" '128x256x3 .*decoder.conv_out'
says "attention is named by its queries" 'attention *input_blocks.1.1.transformer_blocks.0.attn1'
says "the sum of the U-Net" 'U-Net *[0-9]* *34008260'
runs "every tensor" "$latent" inspect tiny.safetensors --tensors
says "names, types and shapes" 'F16 *\[4,64,3,3\] *model.diffusion_model.out.2.weight'
runs "as JSON" "$latent" inspect tiny.safetensors -W 64 --tensors --json
says "it is one object" '^{.*"width":64.*"layers":\[.*}$'
runs "inspect a recorded file" "$latent" inspect "$golden/tiny/unet_t501.safetensors"
says "no model" 'no model that is known here'
runs "inspect a .ckpt" "$latent" inspect "$golden/formats/nested.ckpt" --json
says "its format" '"format":"pytorch zip"'
runs "inspect a picture" "$latent" inspect "$golden/tiny/input.png"
says "its size" 'PNG picture, 128x128'
runs "inspect a picture's parameters" "$latent" inspect "$golden/images/text.png"
says "they are printed" '^parameters:'
runs "the same as JSON" "$latent" inspect "$golden/images/text.png" --json
says "one object" '^{"file":.*"kind":"picture".*"parameters":".*}$'
runs "inspect a JPEG" "$latent" inspect "$golden/images/comment.jpg"
runs "inspect a WebP" "$latent" inspect "$golden/images/lossless.webp"

: >empty
mkdir no_model
mkfifo pipe
head -c 1000 tiny.safetensors >short.safetensors
head -c 1000000 tiny.safetensors >cut.safetensors
head -c 500 "$golden/formats/nested.ckpt" >cut.ckpt
head -c 200 "$golden/tiny/input.png" >cut.png
printf 'neither this nor that' >garbage
printf '<!DOCTYPE html><html>log in' >page.safetensors
printf '\377\377\377\377\377\377\377\177{}' >huge.safetensors
printf '\002\000\000\000\000\000\000\000{}' >nothing.safetensors
printf 'GGUF\003\000\000\000' >model.gguf
printf '{"weight_map": {"a": "../tiny.safetensors"}}' >outside.index.json
mkdir broken && cp -R folder/. broken && printf '{' >broken/unet/config.json
mkdir half && cp -R folder/. half && rm half/vae/*.safetensors
for file in empty no_model pipe short.safetensors cut.safetensors cut.ckpt cut.png garbage page.safetensors \
    huge.safetensors model.gguf outside.index.json broken half not_there "$golden/formats/attack.ckpt" \
    "$golden/images/bomb.png"; do
    refused 1 "inspect ${file##*/}" "$latent" inspect "$file"
done
runs "inspect what can't be read" "$latent" inspect "$golden/formats/sparse.ckpt"
says "its type" "1 of a type that can't be read: odd (torch._utils._rebuild_sparse_tensor)"
refused 1 "convert it" "$latent" convert "$golden/formats/sparse.ckpt" sparse.safetensors
runs "inspect a file without tensors" "$latent" inspect nothing.safetensors
refused 1 "layers of what is no model" "$latent" inspect "$golden/tiny/unet_t501.safetensors" -W 64
refused 2 "inspect nothing" "$latent" inspect
refused 2 "inspect two files" "$latent" inspect tiny.safetensors folder
refused 2 "a width of 0" "$latent" inspect tiny.safetensors -W 0

# ---- prompt: the rows themselves are in tests/unit/test_prompts.c ----

runs "what each step reads" "$latent" prompt --steps 2 "a [b:c:1] <lora:x:0.5:te=1> AND (d:1.5) :2"
says "it, as JSON" '^{"text":"a \[b:c:1\] <lora:x:0.5:te=1> AND (d:1.5) :2","clean":"a \[b:c:1\]  AND (d:1.5) :2","networks":\[\["lora",\["x","0.5"\],{"te":"1"}\]\],"steps":\[\[{"weight":1.0,"text":"a b","attention":\[\["a b",1.0\]\]},{"weight":2.0,"text":" (d:1.5)","attention":\[\[" ",1.0\],\["d",1.5\]\]}\],\[.*\]\]}$'
runs "a line for each text" "$latent" prompt --steps 1 a "$(printf '\377(b')" && [ "$(wc -l <out)" -eq 2 ] && ok "two lines" || not_ok "two lines"
runs "twice the calls of a sampler that asks twice" "$latent" prompt --steps 2 --sampler heun "[a:b:3]"
says "four of them" '"steps":\[\[{[^{]*"text":"a",[^{]*}\],\[{[^{]*"text":"a",[^{]*}\],\[{[^{]*"text":"a",[^{]*}\],\[{[^{]*"text":"a",[^{]*}\]\]}$'
printf '%01000000d' 0 | tr 0 '[' >brackets
runs "a megabyte of brackets" "$latent" prompt --steps 1 @brackets
printf 'x' >>brackets && printf '%0100000d' 0 >>brackets
refused 1 "more than that" "$latent" prompt --steps 1 @brackets
refused 2 "no text" "$latent" prompt

# ---- tokenize, against recorded ids: every text that JSON writes without an escape ----

awk '/^"text": "/ { text = $0; sub(/^"text": "/, "", text); sub(/",$/, "", text); next }
     /^"ids": \[/ { inside = 1; ids = ""; next }
     inside && /^\]/ { inside = 0; if (text !~ /\\/) { print text > "texts"; print "[" ids "]" > "ids" } next }
     inside { sub(/,$/, ""); ids = ids (ids == "" ? "" : ", ") $0 }' "$golden/tokenizer.json"
set --
while IFS= read -r text; do set -- "$@" "$text"; done <texts
[ $# -ge 40 ] && ok "$# recorded texts" || not_ok "only $# recorded texts were read"
runs "tokenize" "$latent" tokenize -- "$@"
mv out tokens
same "every id as recorded" ids tokens
refused 2 "tokenize nothing" "$latent" tokenize

# ---- schedule ----

runs "schedule lists" "$latent" schedule
samplers=$(sed -n 's/^samplers: //p' out) schedules=$(sed -n 's/^schedules: //p' out)
[ "$(echo "$samplers" | wc -w)" -ge 16 ] && ok "samplers are listed" || not_ok "samplers: $samplers"
for sampler in $samplers; do
    runs "schedule of $sampler" "$latent" schedule --sampler "$sampler" --steps 10
    [ "$(wc -l <out)" -ge 12 ] && ok "it has its steps" || not_ok "it has $(wc -l <out) lines"
done
for schedule in $schedules; do
    runs "euler or ddim on $schedule" "$latent" schedule --sampler "$(case $schedule in leading | trailing | linspace) echo ddim ;; *) echo euler ;; esac)" \
        --schedule "$schedule" --steps 10
done
runs "as JSON" "$latent" schedule --sampler euler --schedule normal --steps 2 --json
says "timesteps and sigmas" '^{"timesteps": \[999, 0\], "sigmas": \[14.6146[0-9]*, 0.0291[0-9]*, 0\]}$'
refused 2 "an unknown sampler" "$latent" schedule --sampler eulr
refused 2 "plms on karras" "$latent" schedule --sampler plms --schedule karras
refused 2 "0 steps" "$latent" schedule --sampler euler --steps 0

# ---- noise ----

runs "noise" "$latent" noise -i "$golden/tiny/input.png" -t 0,500,999 -o grid.png
runs "its grid" "$latent" inspect grid.png
says "three pictures side by side" '384x128'
runs "the same again" "$latent" noise -i "$golden/tiny/input.png" -t 0,500,999 -o grid2.png
same "the same bytes" grid.png grid2.png
runs "by single steps" "$latent" noise -i "$golden/tiny/input.png" -t 20 --chain -o chain.png
runs "in latent space" "$latent" noise -i "$golden/tiny/input.png" -t 0,999 --latent -m tiny.safetensors -o latent.png
runs "its grid" "$latent" inspect latent.png
says "two pictures side by side" '256x128'
for times in 1000 -1 1.5 abc 1,,2 1, ''; do
    refused 2 "timesteps \"$times\"" "$latent" noise -i "$golden/tiny/input.png" -t "$times" -o x.png
done
refused 1 "a picture that is not there" "$latent" noise -i not_there.png -o x.png
refused 2 "a file of another ending" "$latent" noise -i "$golden/tiny/input.png" -o x.txt
runs "on latents of the model that comes with the program" "$latent" noise -i "$golden/tiny/input.png" --latent -o own.png
[ ! -e x.png ] && ok "no half picture" || not_ok "x.png is there"

# ---- plot ----

i=0
while [ $((i += 1)) -le 300 ]; do echo "{\"step\":$i,\"loss\":0.$((900 - 2 * i)),\"kl\":$i,\"recall\":null}"; done >run.jsonl
printf '{"step":301,"lo' >>run.jsonl # a run that was killed
head -n 100 run.jsonl >run2.jsonl
runs "plot" "$latent" plot run.jsonl -o loss.png
runs "its picture" "$latent" inspect loss.png
says "1000x600" '1000x600'
runs "the same again" "$latent" plot run.jsonl -o loss2.png
same "the same bytes" loss.png loss2.png
runs "two logs, two numbers, logarithmic, of a size" "$latent" plot run.jsonl run2.jsonl --field loss,kl --log --smooth 5 \
    -W 300 -H 200 -o both.png
runs "its picture" "$latent" inspect both.png
says "300x200" '300x200'
head -n 1 run.jsonl >row.jsonl
runs "a single row" "$latent" plot row.jsonl -o row.png
refused 1 "a number that no row has" "$latent" plot run.jsonl --field recall -o x.png
grep -q 'numbers of the last row: step, loss, kl$' err && ok "it says which there are" || not_ok "no advice: $(cat err)"
printf '{"step":1,"loss":-1}\n{"step":2,"loss":0}\n' >negative.jsonl
runs "numbers below 0" "$latent" plot negative.jsonl -o negative.png
{ echo '{"step": 9999, "loss": NaN}' && cat run.jsonl; } >nan.jsonl
runs "a row of another program without a number" "$latent" plot nan.jsonl -o nan.png
same "it is left out" loss.png nan.png
refused 1 "their logarithms" "$latent" plot negative.jsonl --log -o x.png
refused 1 "what is no log" "$latent" plot tiny.safetensors -o x.png
refused 1 "an empty log" "$latent" plot empty -o x.png
refused 1 "a log that is not there" "$latent" plot not_there.jsonl -o x.png
refused 2 "no log" "$latent" plot -o x.png
refused 2 "no -o" "$latent" plot run.jsonl
refused 2 "a file of another ending" "$latent" plot run.jsonl -o x.txt

# ---- similarity: the cosines of the recorded embeddings ----

runs "similarity of texts" "$latent" similarity "a red apple" "a green tree on a hill" "a blue car" --clip clip
awk '{ print $1, $2, $3 }' out >numbers
printf '1.0000 0.7861 0.6538\n0.7861 1.0000 0.7274\n0.6538 0.7274 1.0000\n' >expected
same "as recorded" numbers expected
runs "a picture and texts" "$latent" similarity "$golden/tiny/input.png" text:"$golden/tiny/input.png" --clip clip --json
says "JSON" '"similarity":\[\[.*\],\[.*\]\]}$'
refused 2 "similarity of one" "$latent" similarity "a cat" --clip clip
runs "similarity by the CLIP of the default model" "$latent" similarity "text:a cat" "text:a dog"
refused 1 "similarity with no CLIP" "$latent" similarity a b --clip tiny.safetensors
refused 1 "similarity with a broken picture" "$latent" similarity a cut.png --clip clip

# ---- run, against recorded modules ----

# module RECORDED LIMIT MODULE MODEL TENSOR...
module() {
    recorded=$golden/tiny/$1.safetensors limit=$2 name=$3 model=$4
    shift 4
    runs "$name of $model" "$latent" run "$name" -m "$model" --in "$recorded" --out module.safetensors
    for tensor in "$@"; do
        runs "its $tensor" "$compare" module.safetensors "$recorded" "$tensor" "$limit"
        sed 's/^/#   /' out
    done
}
module clip_text 1e-5 clip-text tiny.safetensors out penultimate
module clip_contrastive 1e-5 clip-image clip image_embeds
module vae_encoder 1e-5 vae-encoder tiny.safetensors mean logvar
module vae_decoder 1e-5 vae-decoder tiny.safetensors out
for t in 1 501 999; do module unet_t$t 1e-4 unet tiny.safetensors out; done
cp module.safetensors single.safetensors
module unet_t999 1e-4 unet folder out
same "a folder gives the same bytes as the file it was made from" module.safetensors single.safetensors
module clip_text 1e-5 clip-text folder out penultimate
module vae_decoder 1e-5 vae-decoder folder out

# lora MODULE TENSOR LIMIT RECORDED OPTION...: of the tiny checkpoint with adapters, which fit without a note
lora() {
    name=$1 tensor=$2 limit=$3 recorded=$4
    shift 4
    runs "$name $*" "$latent" run "$name" -m tiny.safetensors --in "$golden/lora/expected.safetensors" --out module.safetensors "$@"
    [ ! -s err ] && ok "no note" || not_ok "a note: $(cat err)"
    runs "its $recorded" "$compare" module.safetensors "$golden/lora/expected.safetensors" "$tensor=$recorded" "$limit"
}
ln -s "$golden/lora" lora
lora unet out 1e-4 none.out
lora unet out 1e-4 kohya@0.6.out --lora lora/kohya.safetensors:0.6
lora unet out 1e-4 kohya@0.8+locon@0.5.out --lora lora/kohya.safetensors:0.8:7 --lora lora/locon.safetensors:0.5:0
lora clip-text out 1e-5 kohya@1.text --lora lora/kohya.safetensors
lora clip-text out 1e-5 none.text --lora lora/kohya.safetensors:1:0
lora clip-text out 1e-5 diffusers_old@1.text --lora lora/diffusers_old.safetensors:-0.5:1
for layout in ldm diffusers; do
    merged=kohya-$layout
    [ $layout = ldm ] && merged=kohya.safetensors
    runs "a LoRA in $layout" "$latent" convert tiny.safetensors $merged --lora lora/kohya.safetensors:0.6 --type f32 --to $layout
    runs "its U-Net" "$latent" run unet -m $merged --in "$golden/lora/expected.safetensors" --out module.safetensors
    runs "it is as recorded" "$compare" module.safetensors "$golden/lora/expected.safetensors" out=kohya@0.6.out 1e-4
done
for layout in control control_diffusers; do
    net=tiny-$(echo $layout | tr _ -).safetensors
    runs "a synthetic ControlNet" "$latent" convert --synthetic "${net%.safetensors}" $net
    runs "$layout alone" "$latent" run controlnet -m $net --in "$golden/control/$layout.safetensors" --out module.safetensors
    runs "its last residual" "$compare" module.safetensors "$golden/control/$layout.safetensors" residual.12 1e-4
    for strength in 1 0.5; do
        runs "the U-Net with it" "$latent" run unet -m tiny.safetensors --control "$net:$golden/control/hint.png:$strength" --in "$golden/control/$layout.safetensors" --out module.safetensors
        runs "it is as recorded" "$compare" module.safetensors "$golden/control/$layout.safetensors" out=out@$strength 1e-4
    done
done
runs "a synthetic T2I-Adapter" "$latent" convert --synthetic tiny-t2i tiny-t2i.safetensors
runs "it alone" "$latent" run t2i-adapter -m tiny-t2i.safetensors --in "$golden/control/t2i_adapter.safetensors" --out module.safetensors
for i in 0 1 2 3; do runs "its feature.$i" "$compare" module.safetensors "$golden/control/t2i_adapter.safetensors" feature.$i 1e-5; done
for strength in 1 0.5; do
    runs "the U-Net with it" "$latent" run unet -m tiny.safetensors --control "tiny-t2i.safetensors:$golden/control/t2i_hint.png:$strength" --in "$golden/control/t2i_adapter.safetensors" --out module.safetensors
    runs "it is as recorded" "$compare" module.safetensors "$golden/control/t2i_adapter.safetensors" out=out@$strength 1e-4
done
refused 2 "a control of a text encoder" "$latent" run clip-text -m tiny.safetensors --control "$net:$golden/control/hint.png" --in tiny.safetensors --out x.safetensors
runs "a LoRA in a checkpoint of 16 bits" "$latent" convert tiny.safetensors kohya16.safetensors --lora lora/dora_in.safetensors
runs "what it does not touch is the same" "$compare" kohya16.safetensors tiny.safetensors model.diffusion_model.out.2.weight 0
if "$compare" kohya16.safetensors tiny.safetensors model.diffusion_model.input_blocks.1.1.proj_in.weight 1e-3 >out; then
    not_ok "what it touches is another: $(cat out)"
else ok "what it touches is another"; fi
refused 1 "merging and quantising at once" "$latent" convert tiny.safetensors x.safetensors --lora lora/kohya.safetensors --quantize int8
refused 1 "merging nothing" "$latent" convert tiny.safetensors x.safetensors --lora none.safetensors
runs "inspect a LoRA" "$latent" inspect lora/kohya.safetensors
says "its kind" "adapter: LoRA"
says "its rank" "rank: 4 to 8"
says "its alpha" "alpha: 2 to 4"
runs "inspect others" "$latent" inspect lora/dora_in.safetensors --json
says "their kinds" '"kinds":"LoRA, LoCon, DoRA","unet_layers":'
refused 1 "a LoRA that is not there" "$latent" run unet -m tiny.safetensors --lora no.safetensors:0.5 --in tiny.safetensors --out x.safetensors
refused 1 "a model as a LoRA" "$latent" run unet -m tiny.safetensors --lora tiny.safetensors --in tiny.safetensors --out x.safetensors
grep -q "no LoRA, nor one of its kin" err && ok "it says so" || not_ok "$(cat err)"
refused 2 "a strength that is no number" "$latent" run unet -m tiny.safetensors --lora lora/kohya.safetensors:nan --in tiny.safetensors --out x.safetensors
refused 2 "no file" "$latent" run unet -m tiny.safetensors --lora "" --in tiny.safetensors --out x.safetensors

refused 2 "an unknown module" "$latent" run unets -m tiny.safetensors --in single.safetensors --out x.safetensors
refused 1 "a module that the model lacks" "$latent" run clip-image -m tiny.safetensors --in single.safetensors --out x.safetensors
refused 1 "inputs that are not there" "$latent" run unet -m tiny.safetensors --in single.safetensors --out x.safetensors
refused 1 "inputs of another shape" "$latent" run vae-decoder -m tiny.safetensors --in "$golden/tiny/unet_t1.safetensors" --out x.safetensors
refused 2 "no inputs" "$latent" run unet -m tiny.safetensors --out x.safetensors

# ---- encode, decode ----

runs "encode" "$latent" encode -m tiny.safetensors "$golden/tiny/input.png" -o z.safetensors
runs "its latent" "$latent" inspect z.safetensors --tensors
says "16x16 for 128x128" 'F32 *\[1,4,16,16\] *latent'
runs "encode from a folder" "$latent" encode -m folder "$golden/tiny/input.png" -o z2.safetensors
same "the same latent" z.safetensors z2.safetensors
runs "encode by a seed" "$latent" encode -m tiny.safetensors "$golden/tiny/input.png" --seed 1 -o z3.safetensors
if cmp -s z.safetensors z3.safetensors; then not_ok "a draw is the mean"; else ok "a draw is not the mean"; fi
runs "decode" "$latent" decode -m tiny.safetensors z.safetensors -o picture.png
runs "its picture" "$latent" inspect picture.png
says "128x128" '128x128'
refused 1 "decode what is no latent" "$latent" decode -m tiny.safetensors "$golden/tiny/vae_encoder.safetensors" -o x.png
refused 1 "encode what is no picture" "$latent" encode -m tiny.safetensors garbage -o x.safetensors
runs "encode with the model that comes with the program" "$latent" encode "$golden/tiny/input.png" -o own.safetensors

# ---- Models by name ----

export XDG_DATA_HOME="$PWD/data" XDG_CACHE_HOME="$PWD/cache"
refused 1 "no shelf" "$latent" models
mkdir -p data/latent/models/checkpoints data/latent/models/loras
ln tiny.safetensors data/latent/models/checkpoints/small.safetensors
cp "$golden/lora/kohya.safetensors" data/latent/models/loras/ink.safetensors
cp "$golden/tiny/input.png" data/latent/models/loras/ink.preview.png
cp page.safetensors data/latent/models/loras/
runs "the shelf" "$latent" models
says "a checkpoint" "^checkpoint .* small: LDM checkpoint: text encoder, VAE, U-Net"
says "a LoRA" "^LoRA .* ink (Stable Diffusion 1): LoRA, ranks 4 to 8"
says "its picture" "picture: .*ink.preview.png"
says "a broken file" "^broken .* page: a web page"
runs "one kind, with hashes, as JSON" "$latent" models data/latent/models --kind LoRA --hash --json
says "its hash" "\"sha256\": \"$(sha256sum <"$golden/lora/kohya.safetensors" | cut -d ' ' -f 1)\""
mkfifo data/latent/models/loras/pipe.safetensors && ln -s nowhere data/latent/models/loras/lost.safetensors && ln -s nowhere data/latent/models/loras/lost.png
ln -s . data/latent/models/loras/round
runs "what can't be read" timeout 20 "$latent" models --hash
says "a pipe" "^broken .* pipe: not a regular file"
says "a link" "^broken .* lost: can.t be opened: No such file"
runs "as JSON" timeout 20 "$latent" models --json
says "why" '"fault": "can.t be opened: No such file'
runs "a name beside them" timeout 20 "$latent" inspect data/latent/models/loras/ink.safetensors
runs "each file" "$latent" models
[ "$(grep -c ' ink' out)" -eq 1 ] && ok "once, though a link leads back" || not_ok "a link that leads back: $(cat out)"
rm data/latent/models/loras/round data/latent/models/loras/pipe.safetensors data/latent/models/loras/lost.*
runs "the hash again" "$latent" models
says "its beginning" "^LoRA .* $(sha256sum <"$golden/lora/kohya.safetensors" | cut -c 1-10)  ink"
runs "encode with a model by name" "$latent" encode -m small "$golden/tiny/input.png" -o z4.safetensors
same "the same latent by name" z.safetensors z4.safetensors
mkdir data/latent/models/controlnet data/latent/models/upscale_models
"$latent" convert --synthetic tiny-control data/latent/models/controlnet/edges.safetensors
"$latent" convert --synthetic tiny-srvgg-x4 data/latent/models/upscale_models/larger.safetensors
controlled() { "$latent" txt2img -m small -p a --steps 1 -W 64 -H 64 --seed 1 --control "$1:$golden/control/hint.png" -o "$2" -q; }
runs "a control by its path" controlled data/latent/models/controlnet/edges.safetensors by-path.png
runs "a control by name" controlled edges by-name.png
same "the same picture" by-path.png by-name.png
runs "an upscaler by name" "$latent" upscale -m larger -q -i by-name.png -o larger.png
runs "an upscaler of a folder" env XDG_DATA_HOME= "$latent" upscale --models data/latent/models -m larger -q -i by-name.png -o larger2.png
same "the same larger picture" larger.png larger2.png
refused 1 "an upscaler as a control" "$latent" txt2img -m small -p a --control "larger:by-name.png" -o x.png
refused 1 "a name that is nowhere" "$latent" encode -m none "$golden/tiny/input.png" -o x.safetensors
grep -q "none of that name in .*data/latent/models" err && ok "it says where" || not_ok "$(cat err)"
refused 2 "two folders" "$latent" models data cache
refused 2 "an unknown kind" "$latent" models --kind model
refused 1 "a shelf that is not there" "$latent" models nowhere
refused 2 "image prompts without an encoder" "$latent" txt2img -p a --image-prompt "ip.safetensors:$golden/tiny/input.png" -o x.png
refused 2 "an image prompt without a picture" "$latent" txt2img -p a --image-encoder e --image-prompt ip.safetensors -o x.png
refused 1 "an IP-Adapter that is a LoRA" "$latent" txt2img -p a -m tiny.safetensors --image-encoder tiny.safetensors \
    --image-prompt "ink:$golden/tiny/input.png" -o x.png
refused 1 "an IP-Adapter that is a checkpoint" "$latent" txt2img -p a -m tiny.safetensors --image-encoder tiny.safetensors \
    --image-prompt "tiny.safetensors:$golden/tiny/input.png" -o x.png

[ -z "$(find . -name '*.part')" ] && [ ! -e x.safetensors ] && ok "no half files" || not_ok "half files: $(ls)"
exit $failed
