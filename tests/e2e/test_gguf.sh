#!/bin/sh
# GGUF files as people use them: read, drawn with what other files bring, written, and written again.
# usage: test_gguf.sh LATENT GOLDEN_FOLDER COMPARE MODEL
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1") golden=$(realpath "$2") compare=$(realpath "$3") model=$(realpath "$4")
lora=$(dirname "$model")/blueprint.safetensors gguf=$golden/gguf
enter

# draw MODEL OUT OPTIONS...: picture and latent
draw() {
    from=$1 to=$2
    shift 2
    latent txt2img -q --precision f32 --seed 1 --steps 3 -m "$from" -p "a red apple" -o "$to.png" --save-latents "$to.safetensors" "$@" 2>err
}
near() { "$compare" "$1.safetensors" "$2.safetensors" "${4:-latent}" "$3"; } # FILE FILE MOST [NAME]
alike() { cmp "$1.safetensors" "$2.safetensors"; } # two latents, to the bit: pictures name their models
told() { "$@" >out 2>err; }
# fails WHAT PATTERN COMMAND...: with status 1, and that in its message, behind notes
fails() {
    what=$1 pattern=$2
    shift 2
    "$@" >out 2>err
    [ $? -eq 1 ] && grep -q -- "^latent: .*$pattern" err && ok "refused: $what" || { not_ok "refused: $what" && show err; }
}
says() { grep -q -- "$1" out || { show out && false; }; }

# ---- What others wrote ----

check "a U-Net in stable-diffusion.cpp's names, run" latent run unet -m "$gguf/mini_sdcpp.gguf" --precision f32 --in "$gguf/expected.safetensors" --out a.safetensors
check "a U-Net in city96's names, run" latent run unet -m "$gguf/mini_city96.gguf" --precision f32 --in "$gguf/expected.safetensors" --out b.safetensors
check "within 1e-4 of the recorded output" near a "$gguf/expected" 1e-4 out=out.sdcpp
check "this one, too" near b "$gguf/expected" 1e-4 out=out.city96
refuse "a U-Net alone does not draw" 1 "mini_city96.gguf: this checkpoint has no VAE decoder, so it can't draw: --vae takes one from another file" \
    latent txt2img -q -m "$gguf/mini_city96.gguf" -p x -o x.png
latent convert --synthetic tiny tiny.safetensors >/dev/null
small="-W 64 -H 64"
check "with a VAE and a text encoder from elsewhere it does" draw "$gguf/mini_city96.gguf" c $small --vae tiny.safetensors --text tiny.safetensors
check "so it does under stable-diffusion.cpp's names of these options" \
    latent txt2img -q --precision f32 --seed 1 --steps 3 --diffusion-model "$gguf/mini_city96.gguf" --vae tiny.safetensors --clip-l tiny.safetensors -p "a red apple" -o d.png $small
check "which makes the same picture" cmp c.png d.png
fails "without a text encoder" "no text encoder, which this U-Net needs: --text takes one from another file" \
    latent txt2img -q -m "$gguf/mini_city96.gguf" --vae tiny.safetensors -p x -o x.png $small
fails "a text encoder that doesn't fit" "emoji.safetensors: the text encoder makes contexts of " \
    latent txt2img -q -m "$gguf/mini_city96.gguf" --vae tiny.safetensors --text "$model" -p x -o x.png $small
refuse "a text encoder of a file without" 1 "blocks.safetensors: no model that is known here" \
    latent txt2img -q -m tiny.safetensors --text "$gguf/blocks.safetensors" -p x -o x.png $small
draw tiny.safetensors e $small
check "a model's own text encoder, named" draw tiny.safetensors f $small --text tiny.safetensors
check "draws the same" alike e f
latent convert tiny.safetensors folder --to diffusers >/dev/null 2>&1
check "from a diffusers folder" draw tiny.safetensors g $small --text folder
check "draws the same, too" alike e g
check "a lone tower" draw tiny.safetensors h $small --text folder/text_encoder/model.safetensors
check "draws the same as well" alike e h

# ---- What is said of them ----

check "inspect" told latent inspect "$gguf/mini_city96.gguf"
check "names the format" says "GGUF, 1.1 MiB"
check "the types' shares" says "16.2% Q6_K, 15.3% Q4_0, 13% BF16"
check "and what is missing" says "to draw it takes a VAE (--vae FILE) and a text encoder (--text FILE)"
mkdir -p shelf/unet && cp "$gguf/mini_city96.gguf" shelf/unet/mini.gguf
check "models" told latent models shelf
check "lists it as a checkpoint" says "checkpoint.* mini: LDM checkpoint: U-Net"
check "by its name it is found" latent inspect shelf/unet/mini.gguf

# ---- What we write ----

draw "$model" own
check "a model as it is, as GGUF" latent convert "$model" own.gguf
check "drawn" draw own.gguf same
check "is the same picture" alike own same
# quantised TYPE MOST: how far its latent may be from the model's
quantised() {
    check "a model in $1" latent convert "$model" "$1.gguf" --quantize "$1"
    check "drawn" draw "$1.gguf" "$1"
    check "is near" near "$1" own "$2"
}
quantised q8_0 0.1
quantised q5_1 0.5
quantised q4_k 0.7
check "quantised again it stays what it is" latent convert q8_0.gguf again.gguf
check "to the byte" cmp q8_0.gguf again.gguf
check "and back in a safetensors file" latent convert q8_0.gguf from.safetensors --type f32
check "drawn" draw from.safetensors back
check "draws what the GGUF does" alike back q8_0
check "in a folder" latent convert q8_0.gguf back-folder --to diffusers --type f32
check "packed" latent convert q8_0.gguf pack.safetensors --pack --precision f32
check "drawn" draw pack.safetensors packed
check "it is the same picture" alike packed q8_0
check "with a LoRA" draw q8_0.gguf inked --lora "$lora:0.8"
check "a LoRA added for good" latent convert q8_0.gguf inked.gguf --lora "$lora:0.8" --type f32
check "drawn" draw inked.gguf for-good
check "is as one that is added" near for-good inked 1e-3
check "in bf16 and int8" draw q8_0.gguf narrow --precision int8
refuse "blocks in a safetensors file" 1 "quantize: q4_0 is a type of GGUF's: name the file .gguf" latent convert "$model" x.safetensors --quantize q4_0
refuse "int8 in a GGUF" 1 "use q8_0" latent convert "$model" x.gguf --quantize int8
refuse "a folder that is a GGUF" 1 "layout: a GGUF file is one of LDM's layout" latent convert "$model" x.gguf --to diffusers
refuse "a type that is none" 2 "q4_7" latent convert "$model" x.gguf --quantize q4_7
check "nothing of these is left" [ ! -e x.gguf ]

exit $failed
