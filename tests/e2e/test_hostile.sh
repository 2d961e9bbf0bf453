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
named model.safetensors txt2img -q --classifier model.safetensors --class 0 -p x -o out.png
named clip txt2img -q -m clip -p x -o out.png
named clip encode -m clip good.png -o out.safetensors

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

exit $failed
