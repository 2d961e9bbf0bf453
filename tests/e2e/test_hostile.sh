#!/bin/sh
# What strangers' files, full disks and little memory make of the program: one message that names the file once, and exit
# status 1; never a signal.
# usage: test_hostile.sh LATENT GOLDEN_FOLDER BROKEN
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1") golden=$(realpath "$2") broken=$(realpath "$3")
enter
cp "$golden/../../data/emoji.safetensors" model.safetensors
latent convert --synthetic tiny-clip clip >/dev/null

# ---- An error names its file, once ----

# named FILE COMMAND...: refused with status 1, and FILE is once in the message.
once() { refuses 1 . "$@" && [ "$(grep -o -- "$file" err | wc -l)" -eq 1 ]; }
named() {
    file=$1
    shift
    check "$1 names $file once" once latent "$@"
}

latent txt2img -q --seed 1 --steps 1 -p apple -o good.png >/dev/null
latent encode good.png -o latent.safetensors >/dev/null
: >hollow
mkdir shelf data
echo '{"a": ' >json
head -c 5000 model.safetensors >cut.safetensors
head -c 300 good.png >cut.png
for bad in missing hollow json cut.safetensors cut.png shelf; do
    named $bad inspect $bad
    named $bad convert $bad out.safetensors
    named $bad txt2img -q -m $bad -p x -o out.png
    named $bad txt2img -q --vae $bad -p x -o out.png
    named $bad txt2img -q --noise $bad -p x -o out.png
    named $bad txt2img -q --classifier $bad --class 0 -p x -o out.png
    named $bad txt2img -q --clip $bad -p x -o out.png
    named $bad img2img -q -i $bad -p x -o out.png
    named $bad inpaint -q -i good.png --mask $bad -p x -o out.png
    named $bad encode $bad -o out.safetensors
    named $bad decode $bad -o out.png
    named $bad noise -i $bad -t 0 -o out.png
    named $bad similarity good.png "text:a" --clip $bad
    named $bad run unet --in $bad --out out.safetensors
    named $bad run unet -m $bad --in latent.safetensors --out out.safetensors
    named $bad eval --bound $bad
    named $bad eval --clip clip --prompts $bad
    named $bad plot $bad -o out.png
    named $bad train vae -q -d $bad -o out.safetensors
    named $bad train unet -q -d data --init $bad -o out.safetensors
done

# Models that lack something, and that their own file is named for among several.
out=model.diffusion_model.out.2.weight conv=first_stage_model.decoder.conv_out.weight
"$broken" drop $out model.safetensors no-out.safetensors
"$broken" reshape $out model.safetensors flat-out.safetensors
"$broken" drop $conv model.safetensors no-conv.safetensors
"$broken" reshape $conv model.safetensors flat-conv.safetensors
for bad in no-out flat-out; do named $bad.safetensors txt2img -q -m $bad.safetensors -p x -o out.png; done
for bad in no-conv flat-conv; do
    named $bad.safetensors decode -m $bad.safetensors latent.safetensors -o out.png
    named $bad.safetensors txt2img -q --vae $bad.safetensors --steps 1 -p x -o out.png
done
named model.safetensors decode model.safetensors -o out.png
named model.safetensors txt2img -q --classifier model.safetensors --class 0 -p x -o out.png
named clip txt2img -q -m clip -p x -o out.png
named clip encode -m clip good.png -o out.safetensors

# Files given for what they aren't: what they are.
lora=$golden/../../data/blueprint.safetensors word=$golden/../../data/noto-word.safetensors
latent convert --synthetic tiny-srvgg-x4 upscaler.safetensors >/dev/null
tells() { once "$latent" txt2img -q --steps 1 -p x -o never.png "$@" && grep -qF -- "$text" err; }
says() { # FILE TEXT OPTIONS...: refused with FILE named, and TEXT in the message
    file=$1 text=$2
    shift 2
    check "$file given as $1" tells "$@"
}
says noto-word.safetensors "no LoRA, nor one of its kin: the file is an embedding: " --lora "$word"
says model.safetensors "no LoRA, nor one of its kin: the file is a checkpoint: " --lora model.safetensors
says upscaler.safetensors "no LoRA, nor one of its kin: the file is an upscaler: " --lora upscaler.safetensors
xl='{"__metadata__":{"modelspec.architecture":"stable-diffusion-xl-v1-base/textual-inversion"},"clip_l":{"dtype":"F16","shape":[1,768],"data_offsets":[0,1536]}}'
{ printf "\\$(printf %o ${#xl})\000\000\000\000\000\000\000%s" "$xl"; head -c 1536 /dev/zero; } >xl.safetensors
says xl.safetensors "no LoRA, nor one of its kin: the file is an embedding: 1 vector" --lora xl.safetensors
check "an embedding is told by inspect" eval '"$latent" inspect xl.safetensors | grep -q "^  embedding: 1 vector, for Stable Diffusion"'
latent noise -i good.png -t 0 -o good.jpg >/dev/null
for picture in good.png good.jpg; do
    says $picture "this is a picture, not a LoRA" --lora $picture
    says $picture "this is a picture, and no embedding is in it" --embedding $picture
    says $picture "this is a picture, not a model's weights" --vae $picture
    says $picture "this is a picture, not a model's weights" -m $picture
    says $picture "this is a picture, not a model's weights" --hires 2 --hires-upscaler $picture
done
says blueprint.safetensors "no embedding: the file is a LoRA: " --embedding "$lora"
says upscaler.safetensors "no embedding: the file is an upscaler: " --embedding upscaler.safetensors
says noto-word.safetensors "it is an embedding: it goes behind --embedding" --vae "$word"
says noto-word.safetensors "it is an embedding" --control "$word:good.png"
says noto-word.safetensors "it is an embedding" --hires 2 --hires-upscaler "$word"
says noto-word.safetensors "it is an embedding" --image-encoder "$word" --image-prompt "$word:good.png"
"$broken" drop "*lora_up.weight" "$lora" halved.safetensors
says halved.safetensors "no layer of this LoRA is whole: of the parts of each some are missing" --lora halved.safetensors
refuse "no upscaler" 2 "[-]-hires-upscaler: an empty text names no file" latent txt2img --hires 2 --hires-upscaler "" -p x
"$broken" fill "*lora_up.weight" "$lora" loud.safetensors
says loud.safetensors "at a strength of 1000 it makes numbers of model.diffusion_model." --lora loud.safetensors:1000
named loud.safetensors convert model.safetensors never.safetensors --lora loud.safetensors:1000
check "nothing of it is written" [ ! -e never.safetensors ]

# Folders and indices: the file in them.
latent convert model.safetensors diffusers --to diffusers >/dev/null
config=diffusers/text_encoder/config.json
cp $config config.json
sed 's/"hidden_act": "[a-z_]*"/"hidden_act": "relu9"/' config.json >$config
named diffusers txt2img -q -m diffusers -p x -o out.png
head -c 100 config.json >$config
named $config txt2img -q -m diffusers -p x -o out.png
cp config.json $config
mv diffusers/unet/config.json unet.json
named diffusers/unet/config.json inspect diffusers
mv unet.json diffusers/unet/config.json
echo '{"weight_map": {"a": "gone.safetensors"}}' >shards.safetensors.index.json
named gone.safetensors inspect shards.safetensors.index.json
named shards.safetensors.index.json convert shards.safetensors.index.json out.safetensors

# Lists and data sets: the list and its line, or the picture.
echo '{"file_name": "gone.png", "text": "a"}' >data/metadata.jsonl
named data/metadata.jsonl train vae -q -d data -o out.safetensors
named gone.png eval --reconstruct data
cp cut.png data/gone.png
named data/gone.png eval --reconstruct data
printf '{"text": "a"}\n{"text": 1}\n' >prompts.jsonl
named prompts.jsonl eval --clip clip --prompts prompts.jsonl

# What can't be written: no file may grow over half a kilobyte.
full() (
    ulimit -f 1
    exec "$latent" "$@"
)
written() {
    file=$1
    shift
    check "$1 names $file once on a full disk" once full "$@"
    check "nothing of it is left" [ ! -e "$file" ]
}
for ending in png jpg webp; do written out.$ending decode latent.safetensors -o out.$ending; done
written out.safetensors encode good.png -o out.safetensors
written out.safetensors convert model.safetensors out.safetensors
written new-folder convert diffusers new-folder --to diffusers

# ---- Mutants: files of every kind with a few bytes changed, sizes exchanged, or cut short ----

# A model of a few kilobytes, made here: a U-Net of pixels, whose pictures are drawn in no time.
mkdir pixels
cp good.png pixels/1.png
latent train unet -q -d pixels -o tiny.safetensors --space pixel --unconditional --size 8 --steps 1 -b 1 --width 8 --groups 2 \
    --heads 2 --mult 1,1 --attention 0,1 >/dev/null
latent train vae -q -d pixels -o vae.safetensors --size 16 --steps 1 -b 1 --width 8 --groups 2 --mult 1,1 >/dev/null
latent convert vae.safetensors vae-folder --to diffusers >/dev/null 2>&1
latent noise -i good.png -t 0 -o good.jpg >/dev/null
latent noise -i good.png -t 0 -o good.webp >/dev/null

# survives KIND COUNT FILE PLACE COMMAND...: COMMAND reads mutants of FILE at PLACE and ends well each time. The seed of one
# that it does not is printed: `broken mutate SEED FILE PLACE` makes it again.
survives() {
    count=$1 from=$2 place=$3 seed=0 refused=0
    shift 3
    while [ $seed -lt "$count" ]; do
        seed=$((seed + 1))
        "$broken" mutate $seed "$from" "$place" || return 1
        "$latent" "$@" >out 2>err </dev/null
        status=$?
        [ $status -eq 0 ] || [ "$(grep -vc '^latent: note: ' err)" -eq 1 ] || status=99
        [ $status -le 1 ] || { echo "seed $seed: status $status" && return 1; }
        refused=$((refused + status))
    done
    echo "$refused of $count were refused"
    [ $refused -gt 0 ]
}
draw="--steps 1 --seed 1 -W 8 -H 8 -q"
check "mutants of a checkpoint, drawn" survives 60 tiny.safetensors m.safetensors txt2img -m m.safetensors $draw -p "" -o out.png
latent train unet -q -d pixels -o wide.safetensors --space pixel --unconditional --size 8 --steps 1 -b 1 --width 16 --groups 2 \
    --heads 2 --mult 1,1 --attention 0,1 >/dev/null
latent convert wide.safetensors narrow.safetensors --quantize int8 2>/dev/null
check "mutants of a checkpoint in int8, drawn" survives 60 narrow.safetensors m.safetensors txt2img -m m.safetensors $draw -p "" -o out.png
check "mutants of a checkpoint, inspected" survives 20 tiny.safetensors m.safetensors inspect m.safetensors -W 8 -H 8
check "mutants of a checkpoint, converted" survives 40 vae.safetensors m.safetensors convert m.safetensors out.safetensors --type f16
check "mutants of a VAE, run" survives 40 vae.safetensors m.safetensors encode -m m.safetensors good.png -o out.safetensors
check "mutants of a GGUF, run" survives 60 "$golden/gguf/mini_city96.gguf" m.gguf run unet -m m.gguf --in "$golden/gguf/expected.safetensors" --out out.safetensors
check "mutants of a GGUF, converted" survives 40 "$golden/gguf/mini_sdcpp.gguf" m.gguf convert m.gguf out.gguf --quantize q4_1
check "mutants of a GGUF's head" survives 40 "$golden/gguf/types.gguf" m.gguf inspect m.gguf
check "mutants of metadata in arrays" survives 40 "$golden/gguf/shapes.gguf" m.gguf inspect m.gguf
check "mutants of a pickle" survives 60 "$golden/formats/small.ckpt" m.ckpt inspect m.ckpt
for config in model_index.json vae/config.json scheduler/scheduler_config.json; do
    cp vae-folder/$config config.json
    check "mutants of $config" survives 30 config.json vae-folder/$config encode -m vae-folder good.png -o out.safetensors
    cp config.json vae-folder/$config
done
for ending in png jpg webp; do
    check "mutants of a $ending" survives 30 good.$ending m.$ending inspect m.$ending
    check "mutants of a $ending, encoded" survives 15 good.$ending m.$ending encode -m vae.safetensors m.$ending -o out.safetensors
done
check "mutants of a latent" survives 30 latent.safetensors m.safetensors decode m.safetensors -o out.png
check "mutants of a log" survives 30 tiny.safetensors.jsonl m.jsonl plot m.jsonl -o out.png

# ---- Little memory ----

# ends STATUS: 0, or 1 after one message; never a signal.
ends() { [ "$1" -eq 0 ] || { [ "$1" -eq 1 ] && [ "$(grep -c '^latent: ' err)" -eq 1 ]; }; }
limited() (
    ulimit -v "$kilobytes"
    exec "$latent" "$@"
)
# starved COMMAND...: from hardly any memory to enough; both a message and success were seen.
starved() {
    said=0 done=0
    for more in 0 100 300 600 1000 1500 2000 3000 4000 6000 9000 14000 20000 30000 60000 200000 700000; do
        kilobytes=$((least + more))
        limited "$@" >out 2>err </dev/null
        status=$?
        ends $status || return 1
        [ $status -eq 0 ] && done=1
        [ $status -eq 1 ] && said=1
    done
    echo "said $said, done $done"
    [ $done -eq 1 ] && [ $said -eq 1 ]
}

# The least that the loader needs; under AddressSanitizer, which needs terabytes, there is none.
least=
for kilobytes in $(seq 20000 500 120000); do
    limited --version >/dev/null 2>&1 && least=$kilobytes && break
done
if [ -n "$least" ]; then
    latent noise -i good.png -t "0$(printf ',0%.0s' $(seq 49))" -o wide.png >/dev/null
    for ending in png jpg webp; do
        latent noise -i wide.png -t 0,0,0,0 -o big.$ending >/dev/null
        check "little memory for reading a $ending" starved inspect big.$ending
        check "little memory for writing a $ending" starved noise -i wide.png -t 0,500 -o small.$ending
    done
    check "little memory for a checkpoint's header" starved inspect model.safetensors
    check "little memory for a folder" starved inspect clip
    check "little memory for converting" starved convert model.safetensors out.safetensors --type f32
    check "little memory for words" starved tokenize "a photo of an astronaut"
    # A header of as many bytes as the format allows, all of them values: refused before they are read.
    { printf '\000\341\365\005\000\000\000\000{"a":['; yes '{},' | tr -d '\n' | head -c 99999994; } >values.safetensors
    kilobytes=$((least + 150000)) file=values.safetensors
    check "a header of 33 million values" once limited inspect values.safetensors
    rm values.safetensors
else
    ok "no sweep of memory limits: the program needs too much from the start"
fi

exit $failed
