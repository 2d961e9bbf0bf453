#!/bin/sh
# latent serve with what is added to a drawing: image prompts, controls, upscalers and a second pass, by its own API and by
# A1111's. Each picture has the bytes of the command line.
# usage: test_serve_added.sh LATENT GOLDEN (curl must be there)
set -u
. "$(dirname "$0")/checks.sh"
. "$(dirname "$0")/server.sh"
latent=$(realpath "$1") golden=$(realpath "$2")
enter

# request TEMPLATE: the file request, in which @NAME@ stands for the picture NAME.png in base64
request() {
    printf '%s' "$1" >template
    for name in one two mask small; do printf '%s %s\n' "$name" "$(base64_of $name.png)"; done |
        awk 'NR == FNR { picture[$1] = $2; next } { for (name in picture) gsub("@" name "@", picture[name]); print }' - template >request
}
# draws WHAT FILE KEYS: a job of these keys, and of those that all have, gives the bytes of FILE
draws() {
    request "{$3, $common}"
    job "$1" "$2"
}
# job WHAT FILE: the job in the file request does
job() {
    id=$(curl -s -d @request "$jobs" | sed -n 's/^{"id":"\([0-9a-f]*\)".*/\1/p')
    curl -s -m 60 -o events "$jobs/$id/events"
    curl -s -o drawn "$jobs/$id/pictures/0"
    if cmp -s "$2" drawn; then ok "$1: the bytes of the command line"; else
        not_ok "$1: the bytes of the command line"
        curl -s "$jobs/$id" | show
    fi
}
# a1111 WHAT FILE PATH TEMPLATE [KEY]: the first of its images, or the text of that key, has the bytes of FILE
a1111() {
    request "$4"
    ask 200 "$1" -d @request "$sd/$3"
    grep -oE '"images?": *\[?"[A-Za-z0-9+/=]+' answer | head -n 1 | sed 's/.*"//' | base64 -d >drawn 2>/dev/null
    check "  the bytes of the command line" cmp "$2" drawn
}

mkdir -p models/Stable-diffusion models/ControlNet models/ESRGAN models/ipadapter models/clip_vision
"$latent" convert --synthetic tiny-ip models/ipadapter/ip.safetensors
"$latent" convert --synthetic tiny-ip-plus models/ipadapter/ip-plus.safetensors
"$latent" convert --synthetic tiny-vit models/clip_vision/vit.safetensors
latent convert --synthetic tiny models/Stable-diffusion/tiny.safetensors
for kind in control t2i; do latent convert --synthetic tiny-$kind models/ControlNet/tiny-$kind.safetensors; done
for kind in esrgan-x2 srvgg-x4; do latent convert --synthetic tiny-$kind models/ESRGAN/tiny-$kind.safetensors; done
cp "$golden/image_prompt/ip_image.png" two.png
cp "$golden/tiny/mask.png" mask.png
latent txt2img -q -p "a red apple" --seed 7 --steps 3 --size 64x64 -o one.png
latent txt2img -q -p "a red apple" --seed 7 --steps 2 --size 32x32 -o small.png

model=models/Stable-diffusion/tiny.safetensors vit=models/clip_vision/vit.safetensors
plain=models/ipadapter/ip.safetensors plus=models/ipadapter/ip-plus.safetensors
# cli FILE WORDS...: the picture that the command line draws
cli() {
    file=$1
    shift
    check "the command line's $file" "$latent" txt2img -q -m $model -p "a cat" -n dog --size 64x64 --steps 4 --seed 7 --cfg 5 --sampler euler \
        --schedule normal -o "$file" "$@"
}
cli prompt.png --image-encoder $vit --image-prompt $plain:two.png:0.6
cli prompts.png --image-encoder $vit --image-prompt $plain:two.png:0.6:0:0.5 --image-prompt $plus:one.png:0.8:mask=mask.png
cli control.png --control models/ControlNet/tiny-control.safetensors:one.png:0.7:0:0.8 --annotator canny:90:180 --control-mode control
cli controls.png --control models/ControlNet/tiny-control.safetensors:one.png --control models/ControlNet/tiny-t2i.safetensors:two.png:0.5 \
    --control-fit stretch
cli all.png --image-encoder $vit --image-prompt $plain:two.png:0.6 --control models/ControlNet/tiny-control.safetensors:one.png
cli hires.png --hires 2 --hires-strength 0.6
cli hires_x2.png --hires 2 --hires-upscaler models/ESRGAN/tiny-esrgan-x2.safetensors --hires-strength 0.6 --hires-steps 2
latent upscale -q -m models/ESRGAN/tiny-esrgan-x2.safetensors -i small.png -o x2.png
latent upscale -q -m models/ESRGAN/tiny-srvgg-x4.safetensors -i small.png --scale 3 -o x3.png
latent upscale -q -m models/ESRGAN/tiny-esrgan-x2.safetensors -i small.png -o x2.webp

serve

# ---- Its own API ----

common='"model": "tiny", "prompt": "a cat", "negative_prompt": "dog", "width": 64, "height": 64, "steps": 4, "seed": 7, "guidance": 5,
    "sampler": "euler", "schedule": "normal"'
draws "an image prompt" prompt.png '"image_encoder": "vit", "image_prompts": [{"adapter": "ip", "image": "@two@", "scale": 0.6}]'
draws "two, with an interval and a mask" prompts.png '"image_encoder": "vit", "image_prompts": [
    {"adapter": "ip", "image": "@two@", "scale": 0.6, "end": 0.5}, {"adapter": "ip-plus", "image": "@one@", "scale": 0.8, "mask": "@mask@"}]'
draws "a control" control.png '"controls": [{"model": "tiny-control", "image": "@one@", "annotator": "canny:90:180", "strength": 0.7, "end": 0.8,
    "mode": "control"}]'
draws "two controls" controls.png '"controls": [{"model": "tiny-control", "image": "@one@", "fit": "stretch"},
    {"model": "tiny-t2i", "image": "@two@", "strength": 0.5, "fit": "stretch"}]'
draws "a control and an image prompt" all.png '"image_encoder": "vit", "controls": [{"model": "tiny-control", "image": "@one@"}],
    "image_prompts": [{"adapter": "ip", "image": "@two@", "scale": 0.6}]'
draws "a second pass" hires.png '"hires_scale": 2, "hires_strength": 0.6'
draws "a second pass by an upscaler" hires_x2.png '"hires_scale": 2, "hires_upscaler": "tiny-esrgan-x2", "hires_strength": 0.6, "hires_steps": 2'
request '{"kind": "upscale", "upscaler": "tiny-esrgan-x2", "image": "@small@"}'
job "a larger picture" x2.png
request '{"kind": "upscale", "upscaler": "tiny-srvgg-x4", "scale": 3, "image": "data:image/png;base64,@small@"}'
job "to another scale" x3.png
request '{"kind": "upscale", "upscaler": "tiny-esrgan-x2", "image": "@small@", "format": "webp"}'
job "as WebP" x2.webp
request '{"image_prompts": [{"adapter": "ip", "image": "@two@"}]}'
ask 202 "no encoder is named" -d @request "$jobs"
id=$(sed -n 's/^{"id":"\([0-9a-f]*\)".*/\1/p' answer)
curl -s -m 60 -o events "$jobs/$id/events"
ask 200 "  it fails" "$jobs/$id"
tells '"error":"[^"]*image_encoder'
for kind in controls image_prompts; do
    request "{\"image_encoder\": \"vit\", \"$kind\": [{\"model\": \"vit\", \"image\": \"@one@\"}]}"
    [ $kind = controls ] || request '{"image_encoder": "vit", "image_prompts": [{"adapter": "tiny-control", "image": "@one@"}]}'
    ask 404 "$kind: a model of another kind" -d @request "$jobs"
done

# ---- A1111's ----

common='"prompt": "a cat", "negative_prompt": "dog", "width": 64, "height": 64, "steps": 4, "seed": 7, "cfg_scale": 5, "sampler_name": "Euler",
    "scheduler": "normal", "override_settings": {"sd_model_checkpoint": "tiny"}'
# units WHAT FILE UNITS
units() { a1111 "A1111: $1" "$2" txt2img "{$common, \"alwayson_scripts\": {\"ControlNet\": {\"args\": [$3]}}}"; }
units "an IP-Adapter" prompt.png '{"image": "@two@", "model": "ip", "module": "ip-adapter_clip_sd15", "weight": 0.6}'
units "an IP-Adapter, as its module says" prompt.png '{"image": {"image": "@two@"}, "model": "ip [abcdef12]", "module": "ip-adapter-auto", "weight": 0.6}'
units "two" prompts.png '{"image": "@two@", "model": "ip", "module": "ip-adapter-auto", "weight": 0.6, "guidance_end": 0.5},
    {"image": "@one@", "mask": "@mask@", "model": "ip-plus", "module": "ip-adapter-auto", "weight": 0.8}'
units "a control" control.png '{"image": "@one@", "model": "tiny-control", "module": "canny", "threshold_a": 90, "threshold_b": 180, "weight": 0.7,
    "guidance_end": 0.8, "control_mode": "ControlNet is more important"}'
units "two controls" controls.png '{"image": "@one@", "model": "tiny-control", "resize_mode": 0}, {"enabled": false, "model": "nosuch"},
    {"image": "@two@", "model": "tiny-t2i", "weight": 0.5, "resize_mode": "Just Resize"}'
units "a control and an IP-Adapter" all.png '{"image": "@one@", "model": "tiny-control", "module": "none"},
    {"image": "@two@", "model": "ip", "module": "ip-adapter-auto", "weight": 0.6}'
a1111 "A1111: hires" hires.png txt2img "{$common, \"enable_hr\": true, \"denoising_strength\": 0.6, \"hr_upscaler\": \"Latent\"}"
a1111 "A1111: hires by an upscaler" hires_x2.png txt2img "{$common, \"enable_hr\": true, \"denoising_strength\": 0.6, \"hr_scale\": 2,
    \"hr_upscaler\": \"tiny-esrgan-x2\", \"hr_second_pass_steps\": 2}"
a1111 "A1111: extra-single-image" x2.png extra-single-image '{"image": "@small@", "upscaler_1": "tiny-esrgan-x2"}'
a1111 "  to another scale" x3.png extra-single-image '{"image": "data:image/png;base64,@small@", "upscaler_1": "tiny-srvgg-x4", "upscaling_resize": 3}'
a1111 "A1111: extra-batch-images" x2.png extra-batch-images '{"imageList": [{"data": "@small@", "name": "a"}, {"data": "@small@", "name": "b"}],
    "upscaler_1": "tiny-esrgan-x2"}'
ask 200 "controlnet/model_list" "$base/controlnet/model_list"
tells '"ip"'
tells '"tiny-control"'

# ---- Files that change while the server has them open ----

# alter FILE: some of its last weights are 0 from now on; it is the same file, of the same size
alter() { head -c 3000 /dev/zero | dd of="$1" bs=1 seek=$(($(wc -c <"$1") - 3000)) conv=notrunc 2>/dev/null; }
# changed WHAT FILE KEYS: what is drawn is FILE, which the command line has drawn with the changed file: another picture
changed() {
    check "$1 has changed" sh -c "! cmp -s $2 $4"
    common=$job_common draws "  and is read again" "$2" "$3"
}
job_common='"model": "tiny", "prompt": "a cat", "negative_prompt": "dog", "width": 64, "height": 64, "steps": 4, "seed": 7, "guidance": 5,
    "sampler": "euler", "schedule": "normal"'
control='"controls": [{"model": "tiny-control", "image": "@one@", "annotator": "canny:90:180", "strength": 0.7, "end": 0.8, "mode": "control"}]'
alter models/ControlNet/tiny-control.safetensors
cli control2.png --control models/ControlNet/tiny-control.safetensors:one.png:0.7:0:0.8 --annotator canny:90:180 --control-mode control
changed "a control" control2.png "$control" control.png
alter $plain
cli prompt2.png --image-encoder $vit --image-prompt $plain:two.png:0.6
prompt='"image_encoder": "vit", "image_prompts": [{"adapter": "ip", "image": "@two@", "scale": 0.6}]'
changed "an image prompt" prompt2.png "$prompt" prompt.png
alter $vit
cli prompt3.png --image-encoder $vit --image-prompt $plain:two.png:0.6
changed "an image encoder" prompt3.png "$prompt" prompt2.png
alter models/ESRGAN/tiny-esrgan-x2.safetensors
latent upscale -q -m models/ESRGAN/tiny-esrgan-x2.safetensors -i small.png -o x2_2.png
check "an upscaler has changed" sh -c '! cmp -s x2_2.png x2.png'
request '{"kind": "upscale", "upscaler": "tiny-esrgan-x2", "image": "@small@"}'
job "  and is read again" x2_2.png
mkdir -p models/Lora models/embeddings
for kind in kohya full; do
    cp "$golden/lora/$kind.safetensors" models/Lora/worn.safetensors
    cli $kind.png --lora models/Lora/worn.safetensors:1
    common=$job_common draws "the LoRA $kind by the name of all" $kind.png '"loras": [{"name": "worn", "strength": 1}]'
done
check "LoRAs that aren't alike" sh -c '! cmp -s kohya.png full.png'
latent convert --type bf16 $model other.safetensors
mv other.safetensors $model
cli model.png
changed "a checkpoint that was replaced" model.png '"count": 1' kohya.png
rm models/clip_vision/vit.safetensors
curl -s -o answer -X POST "$base/latent/v1/models/refresh" -d '{}'
request "{$common, \"alwayson_scripts\": {\"controlnet\": {\"args\": [{\"image\": \"@two@\", \"model\": \"ip\", \"module\": \"ip-adapter-auto\"}]}}}"
ask 404 "A1111: no image encoder" -d @request "$sd/txt2img"
tells 'image encoder'
stop_well
[ $failed -eq 0 ] || show log
exit $failed
