#!/bin/sh
# Every `latent` command of the README, as it stands there, on small synthetic checkpoints under the README's file names; pictures and
# steps are made small by options behind them. Then the examples, and that the README's C is what examples/txt2img.c does.
# usage: test_readme.sh LATENT GOLDEN SOURCE EXAMPLES_FOLDER
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1") golden=$(realpath "$2") source=$(realpath "$3") examples=$(realpath "$4")
enter

check "make sd15.safetensors" latent convert --synthetic tiny sd15.safetensors
check "make sd15-inpainting.safetensors" latent convert --synthetic tiny-inpaint sd15-inpainting.safetensors
check "make clip-vit-base-patch32" latent convert --synthetic tiny-clip clip-vit-base-patch32
cp "$golden/tiny/input.png" photo.png
cp "$golden/tiny/mask.png" mask.png
cp "$golden/lora/kohya.safetensors" ink.safetensors
for data in pictures held-out; do
    mkdir $data
    cp photo.png mask.png $data
    printf '{"file_name": "%s", "text": "a %s"}\n' photo.png photo mask.png mask >$data/metadata.jsonl
done

# shell blocks of the README, without the scripts that this test is part of and without the reader's comments
awk '/^```sh/ {on = 1; next} /^```/ {on = 0} on && /^latent /' "$source/README.md" >commands
check "the README's lines are at most 150 characters" eval '! awk "length > 150" "$source/README.md" | grep .'
check "the README has commands" test "$(wc -l <commands)" -ge 12
while read -r command; do
    small=""
    case $command in
    "latent serve"*) continue ;; # which goes on and on: test_serve.sh has it
    "latent txt2img"*) small="-W 64 -H 64 --steps 2" ;;
    "latent img2img"* | "latent inpaint"*) small="--steps 3" ;;
    "latent bench"*) small="-W 64 -H 64 --runs 1" ;;
    "latent train clip"*) small="-q --steps 2 -b 2 --text-layers 1 --image-layers 1" ;;
    "latent train"*) small="-q --steps 2 -b 2 --width 8" ;;
    "latent eval"*) small="--count 2 --timesteps 2" ;;
    esac
    check "README: $command" eval "$command $small"
done <commands
for made in apple.png forest-1.png forest-2.png watercolour.png window.png grid.png apple.html again.png sd15-f32.safetensors mine.safetensors loss.png; do
    check "README: it made $made" test -s "$made"
done

check "example txt2img" "$examples/example-txt2img" sd15.safetensors "a red apple" example.png
check "example progress" "$examples/example-progress" sd15.safetensors photo.png "a red apple" progress.png
check "example progress, stopped" "$examples/example-progress" sd15.safetensors photo.png "a red apple" stopped.png 1
check "a stopped run leaves no picture" test ! -e stopped.png
check "example latent_space" "$examples/example-latent_space" sd15.safetensors photo.png mask.png between.png
for program in "$source"/examples/*.c; do
    check "$(basename "$program") is under 60 lines" test "$(wc -l <"$program")" -lt 60
done
exit $failed
