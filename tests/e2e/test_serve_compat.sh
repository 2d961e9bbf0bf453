#!/bin/sh
# latent serve by other programs' APIs: A1111's and OpenAI's, with what their clients send. script/clients drives the
# clients themselves.
# usage: test_serve_compat.sh LATENT GOLDEN (curl must be there)
set -u
. "$(dirname "$0")/checks.sh"
. "$(dirname "$0")/server.sh"
latent=$(realpath "$1") golden=$(realpath "$2")
enter

# pictures: those of the last answer, in the files picture1, picture2, ...
pictures() {
    rm -f picture?
    grep -oE '"iVBOR[A-Za-z0-9+/=]*"|"/9j/[A-Za-z0-9+/=]*"|"UklGR[A-Za-z0-9+/=]*"' answer | tr -d '"' >encoded
    count=0
    while read -r line; do
        count=$((count + 1))
        printf '%s' "$line" | base64 -d >"picture$count"
    done <encoded
}
# draws WHAT FILE: the first picture of the last answer has the bytes of FILE
draws() {
    pictures
    check "$1: the bytes of the command line" cmp "$2" picture1
}

mkdir -p models/Stable-diffusion models/ESRGAN models/ControlNet
latent convert --synthetic tiny models/Stable-diffusion/tiny.safetensors
latent convert --synthetic tiny-esrgan-x2 models/ESRGAN/tiny-esrgan-x2.safetensors
latent convert --synthetic tiny-control models/ControlNet/tiny-control.safetensors
small="--size 64x64 --steps 4 --seed 7"
# shellcheck disable=SC2086 # words
{
    latent txt2img -q -p "a red apple" $small --cfg 7 --sampler euler --schedule normal -o one.png
    latent txt2img -q -m models/Stable-diffusion/tiny.safetensors -p "a cat" -n dog $small --cfg 5 --sampler dpmpp_2m --schedule karras \
        --control models/ControlNet/tiny-control.safetensors:one.png:0.7:0:0.8 --annotator canny:90:180 -o two.png 2>note
    latent img2img -q -i one.png -p "a pear" $small --cfg 7 --sampler euler --schedule normal --strength 0.6 -o three.png
    latent inpaint -q -i one.png --mask "$golden/tiny/mask.png" -p "a pear" $small --cfg 7 --sampler euler --schedule normal --mask-blur 4 \
        --masked-content fill --only-masked --mask-padding 0 -o four.png
    latent txt2img -q -p "a red apple" -n people $small -o five.png
    latent img2img -q -i one.png -p "a pear" --steps 4 --seed 7 -o six.png
}
latent upscale -q -m models/ESRGAN/tiny-esrgan-x2.safetensors -i one.png --scale 2 -o large.png

serve

# ---- A1111 ----

body='"steps": 4, "width": 64, "height": 64, "seed": 7'
ask 200 "txt2img" -d "{\"prompt\": \"a red apple\", $body}" "$sd/txt2img"
draws "txt2img" one.png
tells '"info": *"{\\"'
tells '"parameters": *{'
unit=$(printf '{"image": "%s", "model": "tiny-control", "module": "canny", "threshold_a": 90, "threshold_b": 180, "weight": 0.7, "guidance_end": 0.8, "control_mode": 0}' "$(base64_of one.png)")
printf '{"prompt": "a cat", "negative_prompt": "dog", %s, "cfg_scale": 5, "sampler_name": "DPM++ 2M Karras", "override_settings": {"sd_model_checkpoint": "tiny.safetensors"},
    "alwayson_scripts": {"controlnet": {"args": [%s]}}}' "$body" "$unit" >request
ask 200 "another model, and a ControlNet" -d @request "$sd/txt2img"
draws "another model, and a ControlNet" two.png
printf '{"prompt": "a pear", %s, "denoising_strength": 0.6, "init_images": ["data:image/png;base64,%s"]}' "$body" "$(base64_of one.png)" >request
ask 200 "img2img" -d @request "$sd/img2img"
draws "img2img" three.png
printf '{"prompt": "a pear", %s, "init_images": ["%s"], "mask": "%s"}' "$body" "$(base64_of one.png)" "$(base64_of "$golden/tiny/mask.png")" >request
ask 200 "inpainting" -d @request "$sd/img2img"
draws "inpainting" four.png
ask 200 "a batch, twice" -d "{\"batch_size\": 2, \"n_iter\": 2, $body}" "$sd/txt2img"
pictures
check "  four pictures" [ "$count" -eq 4 ]
tells 'all_seeds\\": *\[7, *8, *9, *10\]'
printf '{"image": "%s", "upscaler_1": "tiny-esrgan-x2", "upscaling_resize": 2}' "$(base64_of one.png)" >request
ask 200 "extra-single-image" -d @request "$sd/extra-single-image"
draws "extra-single-image" large.png
printf '{"image": "%s"}' "$(base64_of one.png)" >request
ask 200 "png-info" -d @request "$sd/png-info"
tells '"Prompt": *"a red apple"'
tells '"Size-1": *"64"'
text=$(sed -n 's/.*"info": *"\([^"]*\(\\"[^"]*\)*\)".*/\1/p' answer)
ask 200 "infotext in place of fields" -d "{\"infotext\": \"$text\"}" "$sd/txt2img"
draws "infotext" one.png
size_of() { pictures && wc -c <picture1; }
ask 200 "a JPEG" -d "{\"prompt\": \"x\", $body, \"override_settings\": {\"samples_format\": \"jpg\"}}" "$sd/txt2img"
large=$(size_of)
ask 200 "a JPEG of less quality" -d "{\"prompt\": \"x\", $body, \"override_settings\": {\"samples_format\": \"jpg\", \"jpeg_quality\": 30}}" "$sd/txt2img"
check "  is smaller" [ "$(size_of)" -lt "$large" ]
ask 200 "what was told of the drawing" -d "{\"prompt\": \"x <lora:missing:1>\", $body}" "$sd/txt2img"
tells '\\"comments\\": \\"[^"]*lora:missing:1'
printf '{"controlnet_module": "canny", "controlnet_input_images": ["%s"]}' "$(base64_of one.png)" >request
ask 200 "controlnet/detect" -d @request "$base/controlnet/detect"
tells '"info": *"Success"'
for name in samplers schedulers upscalers latent-upscale-modes sd-models sd-vae sd-modules loras embeddings hypernetworks face-restorers realesrgan-models \
    prompt-styles extensions scripts script-info memory cmd-flags options progress; do
    ask 200 "$name" "$sd/$name"
done
for name in version settings model_list module_list control_types; do ask 200 "controlnet/$name" "$base/controlnet/$name"; done
for name in interrupt skip refresh-checkpoints refresh-loras refresh-vae refresh-embeddings unload-checkpoint reload-checkpoint; do
    ask 200 "$name" -X POST "$sd/$name"
done
ask 200 "ping" "$base/internal/ping"
check "  {}" [ "$(cat answer)" = "{}" ]

# ---- Its options stay ----

ask 200 "options" "$sd/options"
cp answer options
ask 200 "the whole object is taken back" -d @options "$sd/options"
check "  null" [ "$(cat answer)" = null ]
ask 200 "another model" -d '{"sd_model_checkpoint": "tiny.safetensors", "CLIP_stop_at_last_layers": 2, "nonsense": 1}' "$sd/options"
ask 404 "an unknown one" -d '{"sd_model_checkpoint": "nosuch"}' "$sd/options"
ask 404 "an unknown VAE" -d '{"sd_vae": "nosuch"}' "$sd/options"
ask 422 "a value of another kind" -d '{"CLIP_stop_at_last_layers": "deep"}' "$sd/options"
stop_well
serve
ask 200 "options after a new start" "$sd/options"
tells '"sd_model_checkpoint": *"tiny.safetensors"'
tells '"CLIP_stop_at_last_layers": *2'
check "  what is not known isn't kept" sh -c '! grep -q nonsense answer'
ask 200 "back" -d '{"sd_model_checkpoint": "emoji", "CLIP_stop_at_last_layers": 1}' "$sd/options"

# ---- Its errors ----

ask 422 "a value of a wrong kind" -d '{"steps": "many"}' "$sd/txt2img"
tells '"loc": *\["body", *"steps"\]'
ask 400 "an unknown sampler" -d '{"sampler_name": "nosuch"}' "$sd/txt2img"
tells '"error": *"HTTPException"'
tells '"detail": *"Sampler not found"'
ask 404 "no init image" -d '{}' "$sd/img2img"
ask 404 "an unknown model" -d '{"override_settings": {"sd_model_checkpoint": "nosuch"}}' "$sd/txt2img"
ask 422 "a script" -d '{"script_name": "X/Y/Z plot"}' "$sd/txt2img"
ask 422 "over a limit" -d '{"steps": 9999}' "$sd/txt2img"
ask 422 "a picture from elsewhere" -d '{"init_images": ["http://127.0.0.1/a.png"]}' "$sd/img2img"
ask 404 "interrogate" -d '{"image": "x"}' "$sd/interrogate"
ask 404 "what isn't there" "$sd/nosuch"
tells '"errors"'
ask 405 "by another method" "$sd/txt2img"

# ---- OpenAI ----

body='"size": "64x64", "seed": 7, "steps": 4'
ask 200 "generations" -d "{\"prompt\": \"a red apple | people\", $body}" "$images/generations"
draws "generations" five.png
tells '"size": *"64x64"'
ask 200 "as an address" -d "{\"prompt\": \"a red apple|people\", $body, \"response_format\": \"url\", \"n\": 2}" "$images/generations"
url=$(sed -n 's/.*"url": *"\([^"]*\)".*/\1/p' answer)
first=$(sed 's/.*"url": *"\([^"]*0\.png\)".*/\1/' answer)
[ -n "$url" ] && curl -s -o drawn "$first"
check "  the bytes of the command line" cmp five.png drawn
for format in jpeg webp; do
    ask 200 "as $format" -d "{\"prompt\": \"x\", $body, \"output_format\": \"$format\"}" "$images/generations"
    pictures
    check "  it is" [ "$count" -eq 1 ]
done
for compression in 90 10; do
    ask 200 "compressed to $compression" -d "{\"prompt\": \"x\", $body, \"output_format\": \"jpeg\", \"output_compression\": $compression}" "$images/generations"
    size_of >"size$compression"
done
check "  less quality is less size" [ "$(cat size10)" -lt "$(cat size90)" ]
ask 200 "an edit" -F image=@one.png -F "prompt=a pear" -F steps=4 -F seed=7 "$images/edits"
draws "an edit" six.png
ask 200 "an edit, as openai sends it" -H "Content-Type: $(cat "$golden/clients/edit.type")" --data-binary "@$golden/clients/edit.multipart" "$images/edits"
tells '"size": *"64x64"'
ask 200 "an edit, by image[]" -F "image[]=@one.png" -F mask=@one.png -F "prompt=a pear" -F steps=2 -F size=64x64 "$images/edits"
ask 200 "a variation" -F image=@one.png -F n=2 -F size=64x64 -F steps=2 "$images/variations"
pictures
check "  two" [ "$count" -eq 2 ]
ask 200 "a stream" -d '{"prompt": "x", "size": "64x64", "seed": 7, "steps": 40, "stream": true, "partial_images": 2}' "$images/generations"
check "  previews and a picture" [ "$(grep -c '^event: image_generation.partial_image' answer) $(grep -c '^event: image_generation.completed' answer)" = "2 1" ]
ask 200 "models" "$base/v1/models"
tells '"id": *"tiny"'
ask 200 "a model" "$base/v1/models/tiny"
ask 404 "no such model" "$base/v1/models/nosuch"
tells '"code": *"model_not_found"'
ask 403 "none is deleted" -X DELETE "$base/v1/models/tiny"
ask 400 "no prompt" -d '{}' "$images/generations"
tells '"param": *"prompt"'
ask 400 "no size" -d '{"prompt": "x", "size": "5x"}' "$images/generations"
ask 404 "an unknown model" -d '{"prompt": "x", "model": "nosuch"}' "$images/generations"
ask 400 "no form" -H "Content-Type: multipart/form-data; boundary=x" --data-binary "--x" "$images/edits"
tells '"type": *"invalid_request_error"'
ask 404 "no file" "$images/files/00000000000000000000000000000000/0.png"
ask 404 "what isn't there" "$base/v1/chat/completions"

# ---- Going away, and skipping ----

# until_step DIGITS: waits until the drawing is at a step that begins with one of them, half a minute at most
until_step() {
    tries=0
    until curl -s "$sd/progress?skip_current_image=true" | grep -q "\"sampling_step\": *[$1]" || [ $tries -gt 600 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
}

long='{"prompt": "a cat", "steps": 150, "batch_size": 100}'
curl -s -m 1 -o cut -d "$long" "$sd/txt2img"
sleep 1
ask 200 "the queue" "$base/latent/v1/queue"
tells '"jobs": *\[\]'
curl -s -m 60 -o whole -d "$long" "$sd/txt2img" &
client=$!
until_step 1-9
ask 200 "progress" "$sd/progress"
tells '"job_count": *1'
tells '"current_image": *"iVBOR'
ask 200 "another client's progress" -H "Latent-Client: other" "$sd/progress"
tells '"job_count": *0'
ask 200 "another client's interrupt" -X POST -H "Latent-Client: other" "$sd/interrupt"
ask 200 "  stops nothing" "$sd/progress?skip_current_image=true"
tells '"interrupted": *false'
tells '"job_count": *1'
ask 200 "interrupt" -X POST "$sd/interrupt"
check "  the drawing ends with what there is" wait $client
check "  as an answer" grep -q '"images"' whole
ask 200 "idle" "$sd/progress"
tells '"job_count": *0'
curl -s -m 60 -o half -d '{"prompt": "a cat", "steps": 150, "width": 512, "height": 512}' "$sd/txt2img" &
client=$!
until_step 2-9
ask 200 "interrupt of one picture" -X POST "$sd/interrupt"
check "  it ends" wait $client
cp half answer
pictures
check "  with what was drawn by then" [ "$count" -eq 1 ]
tells 'stopped after step [0-9]* of 150'
stop_well

# ---- Keys ----

printf 'user:secret\n' >keys
chmod 600 keys
serve --key-file keys
ask 401 "without a password" "$sd/options"
tells '"detail"'
ask 200 "with it" -u user:secret "$sd/options"
ask 401 "OpenAI's, with a wrong key" -H "Authorization: Bearer wrong" "$base/v1/models"
tells '"code": *"invalid_api_key"'
stop_well
[ $failed -eq 0 ] || show log
exit $failed
