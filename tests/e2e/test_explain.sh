#!/bin/sh
# `latent explain`: pages that are whole, stand alone and show the picture that txt2img draws, and what it refuses.
# usage: test_explain.sh LATENT DEFAULT_MODEL PAGE, the program of page.c
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1") model=$(realpath "$2") page=$(realpath "$3")
enter

explain() { "$latent" explain -q "$@"; }
draw() { "$latent" txt2img -q "$@" >out; }

check "a page" explain -m "$model" -p "a red apple" --seed 7 -o apple.html
check "the same picture" draw -m "$model" -p "a red apple" --seed 7 -o apple.png
check "it is whole: 20 steps, 3 tokens, 19 blocks" "$page" apple.html apple.png 20 3 19
check "it is under 1 MB" test "$(wc -c <apple.html)" -lt 1000000
check "the source is in it" grep -q 'src/diffusion/sampler.c:[0-9]*</code> <b>lt_denoise' apple.html
check "again" explain -m "$model" -p "a red apple" --seed 7 -o again.html -t 1
check "it has the same bytes but for times" eval 'for f in apple again; do sed "s/\"seconds\":[^,]*,//g" $f.html >$f.cut; done; cmp apple.cut again.cut'

check "fewer frames" explain -m "$model" -p "a red apple" --seed 7 --frames 4 -o few.html
check "it has them" "$page" few.html apple.png 4 3 19
check "without guidance" explain -m "$model" -p "a (red:1.3) apple" --seed 7 --cfg 1 --steps 5 -o one.html
check "its picture" draw -m "$model" -p "a (red:1.3) apple" --seed 7 --cfg 1 --steps 5 -o one.png
check "it is whole" "$page" one.html one.png 5 3 19
check "words that look like a page's end" explain -m "$model" -p '</script><script>alert(1)</script><!--' --steps 2 --seed 1 -o script.html
check "their picture" draw -m "$model" -p '</script><script>alert(1)</script><!--' --steps 2 --seed 1 -o script.png
check "they end nothing" eval '! grep -q "alert(1)</script>" script.html && grep -q "u003c/script>" script.html'
check "bytes that are no text" explain -m "$model" -p "$(printf 'an \377 apple')" --steps 2 --seed 1 -o bytes.html
check "to standard output" eval 'explain -m "$model" -p "a red apple" --seed 7 -o - 2>err >piped.html && sed "s/\"seconds\":[^,]*,//g" piped.html | cmp - apple.cut'

check "make a model that predicts the noise" "$latent" convert --synthetic tiny tiny.safetensors
check "a page of that" explain -m tiny.safetensors -p "a cat on a roof" -n "blue" --size 64x48 --steps 3 --sampler heun --seed 2 -o tiny.html
check "its picture, too" draw -m tiny.safetensors -p "a cat on a roof" -n "blue" --size 64x48 --steps 3 --sampler heun --seed 2 -o tiny.png
blocks=$(grep -o '"name":"unet\.[a-z0-9_.]*","what"' tiny.html | wc -l)
check "it is whole, of $blocks blocks" "$page" tiny.html tiny.png 3 5 "$blocks"

refuses() { "$latent" explain -q -m "$model" "$@" 2>err; test $? = "$status" && grep -q "$said" err; }
status=2 said="PAGE.html are needed"; check "without -o" refuses -p apple
status=2 said="ends in .html"; check "another ending" refuses -p apple -o apple.png
status=2 said="goes behind -p"; check "words too many" refuses -p apple pear -o apple.html
status=1 said="BREAK"; check "chunks" refuses -p "a BREAK b" -o no.html
status=1 said="several parts"; check "AND" refuses -p "a AND b" -o no.html
status=1 said="changes on the way"; check "editing" refuses -p "[a:b:0.5]" -o no.html
status=1 said="longer"; check "a long prompt" refuses -p "$(yes apple | head -80 | tr '\n' ' ')" -o no.html
status=1 said="no folder/no.html"; check "no folder" refuses -p "apple" -o "no folder/no.html"
check "what is refused leaves nothing" eval '! ls no.html* 2>err'
exit $failed
