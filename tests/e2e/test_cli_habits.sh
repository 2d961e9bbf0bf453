#!/bin/sh
# What people type who come from other programs, or who have read nothing yet; with the model that comes with Latent.
# usage: test_cli_habits.sh LATENT MODEL
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1") model=$(realpath "$2")
enter

is() { [ "$(cat "$1")" = "$2" ]; }                          # FILE TEXT
are() { [ "$(find . -name "$1" | sort | tr '\n' ' ')" = "$2" ]; } # PATTERN NAMES
draws() { "$latent" "$@" -q --steps 1 >out 2>err; }
prints() { "$latent" "$@" >out 2>err; }
has_terminals() { script -qec true /dev/null </dev/null; } >/dev/null 2>&1
starts() { [ "$(od -An -tx1 -N"$2" "$1" | tr -d ' \n')" = "$3" ]; } # FILE BYTES HEX

# ---- A picture without a command, without a name ----

check "a prompt alone draws" eval 'draws "a red apple" --seed 7 && is out "a-red-apple-7.png: seed 7, $(sed "s/.*, //" out)"'
check "it is what txt2img draws" eval 'draws txt2img -p "a red apple" --seed 7 -o same.png && cmp same.png a-red-apple-7.png'
check "again, beside the first" eval 'cp a-red-apple-7.png kept && draws "a red apple" --seed 7 && cmp kept a-red-apple-7.png &&
    cmp kept a-red-apple-7-2.png'
check "options before the prompt" eval 'draws --seed 8 "a red apple" && [ -s a-red-apple-8.png ]'
check "options alone" eval 'draws -p "a pear" --seed 9 && [ -s a-pear-9.png ]'
check "a random seed is in the name" eval 'draws "a pear" -o random/ && [ -s "$(sed "s/: seed .*//" out)" ] &&
    grep -q "^random/a-pear-\([0-9]*\).png: seed \1, " out'
check "each of several pictures has its seed" eval 'draws "two" -p "two pears" --seed 3 -b 2; [ $? -eq 2 ] &&
    draws -p "two pears" --seed 3 -b 2 && are "two*" "./two-pears-3.png ./two-pears-4.png "'
check "a name is letters and digits of any script" eval '
    draws -p "../$(printf "\303\226l, \351\233\252"): (mist:1.3) -- $(printf "\377\007")*" --seed 1 &&
    [ -s "$(printf "\303\266l-\351\233\252-mist-1-3-1.png")" ]'
check "a long prompt has a short name" eval '
    draws -p "$(printf "word %.0s" 1 2 3 4 5 6 7 8 9 10 11 12 13 14)" --seed 1 && are "word*" "./word-word-word-word-word-word-word-word-word-1.png "'
check "a prompt of a script without spaces" eval 'draws "$(printf "\346\236\227\346\252\216")" --seed 1 && grep -q "^$(printf "\346\236\227\346\252\216")-1.png: " out'
check "an empty prompt is a prompt" eval 'draws -p "" --seed 1 && [ -s picture-1.png ]'
check "a link that leads nowhere is no free name" eval '
    ln -s elsewhere a-plum-1.png && draws -p "a plum" --seed 1 && [ -s a-plum-1-2.png ] && [ ! -e elsewhere ]'
at_once() {
    pids=""
    for i in 1 2 3 4; do
        "$latent" "at once" --seed 1 -q --steps 1 -t 1 >/dev/null &
        pids="$pids $!"
    done
    for pid in $pids; do wait "$pid" || return 1; done
    are "at-once*" "./at-once-1-2.png ./at-once-1-3.png ./at-once-1-4.png ./at-once-1.png "
}
check "four at once take four names" at_once

refuse "a file as a command" 2 'no command same.png' latent same.png
refuse "an option without its value, behind the prompt" 2 '--seed: needs a value' latent "a cat" --seed
refuse "no prompt" 2 'what is to be drawn.* -p PROMPT' latent txt2img
refuse "no prompt for a picture that is changed" 2 'what is to be drawn' latent img2img -i same.png
refuse "a prompt without quotation marks" 2 'what is "a"? a prompt goes behind -p, in quotation marks' latent txt2img a red apple
refuse "a picture's name behind the prompt" 2 'what is "apple.png"? .* OUT.png behind -o' latent "a red apple" apple.png
refuse "two prompts" 2 'what is "a red apple"' latent "a red apple" -p "a pear"
refuse "a word that is no command" 2 'no command apple; .*latent -p PROMPT. draws' latent apple
refuse "a command that is not one" 2 'no command inspekt; did you mean inspect' latent inspekt same.png
refuse "nothing at all" 2 'an empty word is no command; .*draws the empty prompt' latent ""
refuse "a file without a name" 2 '[-]-model: an empty text names no file' latent -m "" -p x
refuse "a picture without a name" 2 '[-]-output: an empty text names no file' latent -p x -o ""
refuse "a training without a name" 2 '[-]-output: an empty text names no file' latent train vae -d . -o ""
refuse "nothing to look at" 1 'path: an empty text names no file' latent inspect ""

# ---- Where it goes ----

mkdir there
check "a folder that is there" eval 'draws -p "a fig" --seed 1 -o there && [ -s there/a-fig-1.png ]'
refuse "a file as a folder" 1 'same.png/a.png: can.t write there: Not a directory' latent -p "a fig" -o same.png/a.png
check "a folder that is not there yet" eval 'draws -p "a fig" --seed 1 -o new/ && [ -s new/a-fig-1.png ]'
check "--format" eval 'draws -p "a fig" --seed 1 -o new/ --format webp && starts new/a-fig-1.webp 4 52494646 &&
    draws -p "a fig" --seed 1 -o new --format jpg && starts new/a-fig-1.jpg 3 ffd8ff'
check "a pattern counts from 1" eval 'draws -p "a fig" --seed 1 -b 2 -o there/img-%03d.png && cmp there/img-001.png there/a-fig-1.png &&
    are "img*" "./there/img-001.png ./there/img-002.png " && draws -p "a fig" -o %d.png --save-latents z%02d.safetensors &&
    [ -s 1.png ] && [ -s z01.safetensors ]'
check "a name is never a format of printf" eval 'draws -p "a fig" -o "100%s%n.png" && [ -s "100%s%n.png" ]'
check "standard output" eval 'draws -p "a fig" --seed 1 -o - && cmp out there/a-fig-1.png && grep -q "^standard output: seed 1, " err'
check "standard output by its name" eval 'draws -p "a fig" --seed 1 -o /dev/stdout && cmp out there/a-fig-1.png'
check "standard output of another format" eval 'draws -p "a fig" --seed 1 -o - --format jpg && cmp out new/a-fig-1.jpg'
check "JSON beside it" eval 'draws -p "a fig" --seed 1 -o - --json && cmp out there/a-fig-1.png && grep -q "^{\"file\":\"-\"," err'
check "other commands' standard output" eval 'fig=there/a-fig-1.png && prints noise -i $fig -t 0,999 -o grid.png && prints noise -i $fig -t 0,999 -o - && cmp out grid.png &&
    printf "{\"step\":1,\"loss\":2}\n" >log.jsonl && prints plot log.jsonl -o loss.png && prints plot log.jsonl -o - && cmp out loss.png &&
    prints encode $fig -o fig.safetensors && prints decode fig.safetensors -o fig.png && prints decode fig.safetensors -o - && cmp out fig.png'
check "a full one" eval '"$latent" plot log.jsonl -o - >/dev/full 2>err; [ $? -eq 1 ] && grep -q "^latent: standard output can.t be written: No space" err'
refuse "tensors to standard output" 2 '-o -: a safetensors file is what is written' latent encode there/a-fig-1.png -o -
refuse "several pictures to standard output" 2 'is for one picture' latent -p "a fig" -b 2 -o -
check "a full standard output" eval '"$latent" -p "a fig" -q --steps 1 -o - >/dev/full 2>err; [ $? -eq 1 ] && [ "$(wc -l <err)" -eq 1 ] &&
    grep -q "^latent: standard output can.t be written: No space" err'
refuse "another format than the name's" 2 'a.png is no name of --format webp' latent -p "a fig" -o a.png --format webp
check "jpg is jpeg" draws -p "a fig" -o a.jpeg --format jpg
refuse "a file as a folder" 1 'that is a file' latent -p "a fig" -o kept/
refuse "a folder in one that is not there" 1 'nowhere/new.*No such file' latent -p "a fig" -o nowhere/new/
refuse "a name without an ending" 2 'must end in .png' latent -p "a fig" -o fig

leads() { [ "$(readlink "$1")" = "$2" ] && [ -f "$3" ] && [ ! -L "$3" ]; } # LINK TO FILE
mkdir far far/model && ln -s far near && ln -s near/one.png link.png && ln -s "$work/link.png" second.png
check "a picture through links that lead nowhere yet" eval 'draws -p "a fig" --seed 1 -o second.png && leads link.png near/one.png far/one.png &&
    leads second.png "$work/link.png" far/one.png && cmp far/one.png there/a-fig-1.png'
check "through links to a picture" eval 'draws -p "a fig" --seed 2 -o second.png && leads link.png near/one.png far/one.png &&
    leads second.png "$work/link.png" far/one.png && ! cmp -s far/one.png there/a-fig-1.png'
ln -s far/z.safetensors z.safetensors && ln -s far/copy.safetensors copy.safetensors && ln -s far/model model
check "a latent through a link" eval '"$latent" encode link.png -o z.safetensors && leads z.safetensors far/z.safetensors far/z.safetensors'
check "a model through a link" eval '"$latent" convert "$model" copy.safetensors && leads copy.safetensors far/copy.safetensors far/copy.safetensors'
check "a model's folder through a link" eval '"$latent" convert "$model" model --to diffusers && leads model far/model far/model/model_index.json'
ln -s round2.png round1.png && ln -s round1.png round2.png
refuse "links in a circle" 1 'round1.png: .*links in a circle' latent -p "a fig" -o round1.png
ln -s nowhere/a.png lost.png
refuse "a link into a folder that is not there" 1 'lost.png: .*No such file' latent -p "a fig" -o lost.png
check "no part is left beside either" are "*.part" ""

# ---- What can't be, before anything is opened ----

control=nobody.safetensors:same.png encoder="--image-encoder nobody.safetensors --image-prompt nobody.safetensors:same.png"
refuse "a control's interval" 2 "[-]-control .*:1:0.8:0.2: START 0.8 is not before END 0.2" latent -p x --control $control:1:0.8:0.2
refuse "an image prompt's interval" 2 "[-]-image-prompt .*:1:0.8:0.2: START 0.8 is not before END 0.2" latent -p x $encoder:1:0.8:0.2
for annotator in nope blur:1e9 tile:0 canny:a canny:0x10 canny:200:100; do
    refuse "--annotator $annotator" 2 "annotator $annotator: " latent -p x --control $control --annotator none,$annotator
    refuse "annotate $annotator" 2 "annotator $annotator: " latent annotate $annotator -i same.png -o map.png
done
refuse "an annotator of no picture alone" 2 "inpaint: a control.s alone, of a picture with a mask; there are canny, " latent annotate inpaint -i same.png -o map.png
refuse "an annotator that is none" 2 "there are canny, .*, and with a mask inpaint" latent annotate nope -i same.png -o map.png
refuse "three strengths" 2 "[-]-lora ink:1:2:3: one number too many: FILE" latent -p x --lora ink:1:2:3
refuse "four numbers" 2 "one number too many: FILE:IMAGE" latent -p x --control $control:1:0:0.5:0.7
for number in 0x10 nan inf; do
    refuse "--lora ink:$number" 2 "\"$number\" is no number" latent -p x --lora ink:$number
    refuse "--cfg $number" 2 "cfg $number: a number from" latent -p x --cfg $number
    refuse "--guidance-interval $number:" 2 "LOW:HIGH" latent -p x --guidance-interval $number:
done
for scale in 0 0.01 0.5; do refuse "--hires $scale" 2 "hires $scale: a number from 1 to 8 is possible" latent -p x --hires $scale; done
refuse "a region that says nothing" 2 "region same.png:: MASK:PROMPT" latent -p x --region same.png:
refuse "--scale 0" 2 "scale 0: a number from 0.01 to 64" latent upscale -m nobody.safetensors -i same.png -o large.png --scale 0
for strength in abc 1e40 1001 0x1; do
    refuse "a strength of $strength in a prompt" 2 "<lora:ink:$strength>: \"$strength\" is no strength; -1000 to 1000 is possible" latent -p "x <lora:ink:$strength>"
done
refuse "a folder of models that is not there" 1 "[-]-models nodir: no folder that can be read" latent -p x --models nodir
refuse "a control that is not there" 1 "nobody: no such file, and no folder of models" eval 'XDG_DATA_HOME=/nowhere "$latent" -p x --control nobody:same.png:0.8'
check "a second pass that is smaller is noted" eval 'draws -p "a fig" --size 48 --hires-size 40x40 -o hires.png && grep -q "note: the second pass is smaller than the first: 40x40 after 48x48" err'

# ---- Any seed ----

seed_of() { sed -n 's/.*: seed \([0-9]*\), .*/\1/p' "$1" | head -n 1; }
check "--seed -1 draws one, and says which" eval 'draws -p "a fig" --seed -1 -o any.png && [ -n "$(seed_of out)" ] && [ ! -s err ] &&
    draws -p "a fig" --seed "$(seed_of out)" -o again.png && cmp any.png again.png'
check "the next time another" eval 'draws -p "a fig" --seed=-1 -o other.png && ! cmp -s any.png other.png'
check "those of a batch follow it, and are in the names" eval 'draws -p "any fig" -s -1 -b 2 -o any/ && seed=$(seed_of out) &&
    [ -s any/any-fig-$seed.png ] && [ -s any/any-fig-$((seed + 1)).png ]'
check "a command that prints no seed notes it" eval 'prints encode any.png --seed -1 -o any.safetensors &&
    seed=$(sed -n "s/^latent: note: --seed \([0-9]*\)$/\1/p" err) && prints encode any.png --seed "$seed" -o again.safetensors &&
    cmp any.safetensors again.safetensors'
refuse "-10" 2 'seed -10: a whole number from 0 to 18446744073709551615 is possible, or -1' latent -p "a fig" --seed -10

# ---- Prompts from elsewhere ----

printf '\357\273\277a fig\r\n' >fig.txt
check "a prompt from a file" eval 'draws -p @fig.txt --seed 1 -o file.png && cmp file.png there/a-fig-1.png'
check "a prompt from standard input" eval 'echo "a fig" | draws -p - --seed 1 -o input.png && cmp input.png there/a-fig-1.png'
check "a prompt of a file alone" eval 'draws @fig.txt --seed 1 -o file.png && cmp file.png there/a-fig-1.png'
check "its words are the name" eval 'echo "a date" | draws -p - --seed 1 && [ -s a-date-1.png ]'
check "a negative prompt from a file" eval 'draws -p "a fig" -n @fig.txt --seed 1 -o n1.png && draws -p "a fig" -n "a fig" --seed 1 -o n2.png &&
    cmp n1.png n2.png'
check "an @ of its own" eval 'draws -p "@@fig.txt" --seed 1 -o - && has_text out "parameters @fig.txt"'
refuse "a file that is not there" 1 '-p @none.txt: .*No such file.* @@' latent -p @none.txt
refuse "both from standard input" 2 'for one of them' latent -p - -n -
refuse "both, the first without its option" 2 'for one of them' latent txt2img - -n -
mkfifo held
check "a signal ends the wait for a prompt" eval 'timeout -k 5 0.3 "$latent" -p - -o never.png <>held 2>err; [ $? -eq 124 ] && [ ! -s err ]'
refuse "standard input that is closed" 1 'standard input: can.t be read: ' eval 'latent txt2img -p - <&-'
refuse "a negative prompt from it" 1 'standard input: can.t be read: ' eval 'latent txt2img -p "a fig" -n - <&-'
refuse "a folder as standard input" 1 'standard input: can.t be read: Is a directory' eval 'latent txt2img -p - <.'
refuse "standard input that can only be written" 1 'standard input: can.t be read: ' eval 'latent txt2img -p - 0>unread.txt'
refuse "a folder as a prompt" 1 '\.: can.t be read: Is a directory' latent -p @.
printf 'a\000b' >nul.txt
refuse "a prompt with a NUL" 1 'nul.txt: .*NUL' latent -p @nul.txt
head -c 1100000 /dev/zero | tr '\000' a >long.txt
refuse "a prompt without an end" 1 'long.txt: .*over 1 MB' latent -p @long.txt

# ---- Other programs' options ----

draws_other() { prints "$@" -q && cmp got.png other.png; }
"$latent" txt2img -p "a pear" -n "green" --steps 2 --cfg 3 --sampler euler --schedule karras --seed 5 -W 32 -H 48 -q -o other.png >out
check "options of stable-diffusion.cpp" draws_other --model "$model" --prompt "a pear" --negative-prompt green --steps 2 \
    --cfg-scale 3 --sampling-method euler --scheduler karras -s 5 --width 32 --height 48 --output got.png
check "options of diffusers" draws_other -p "a pear" --negative_prompt green --num_inference_steps 2 \
    --guidance_scale=3 --sampler euler --schedule karras --seed 5 --size 32x48 -o got.png
check "--batch-count, --num-images-per-prompt" eval 'draws -p "a nut" --seed 1 --batch-count 2 -o b.png && [ -s b-2.png ] &&
    draws -p "a nut" --seed 1 --num-images-per-prompt 2 -o c.png && [ -s c-2.png ]'
check "--init-img, --denoising-strength" eval 'draws img2img -p "a nut" --init-img same.png --denoising-strength 0.5 -o got.png'
check "--rng of stable-diffusion.cpp and the web UIs" eval 'draws -p "a nut" --seed 1 --rng philox -o other.png &&
    for kind in cuda GPU NV; do draws -p "a nut" --seed 1 --rng $kind -o got.png && cmp got.png other.png || return 1; done'
refuse "random numbers that are not served" 2 'rng std_default: possible are cpu, philox' latent -p "a nut" --rng std_default
check "--schedule Automatic is the sampler's own" eval 'draws -p "a nut" --seed 1 --sampler euler -o other.png &&
    for word in Automatic automatic; do draws -p "a nut" --seed 1 --sampler Euler --schedule $word -o got.png && cmp got.png other.png || return 1; done'
check "classes of diffusers" eval 'for class in EulerDiscrete EulerAncestralDiscrete DPMSolverMultistep DDIM PNDM LMSDiscrete HeunDiscrete \
    KDPM2Discrete KDPM2AncestralDiscrete UniPCMultistep LCM DDPM; do prints schedule --sampler ${class}Scheduler --steps 3 || return 1; done'
refuse "a class that none here is equal to" 2 'DPMSolverSinglestepScheduler: possible are ddpm, ' latent -p "a nut" --sampler DPMSolverSinglestepScheduler
check "own names with underscores" draws -p "a nut" --clip_skip 2 -o got.png
check "they are not in the help" eval '
    ! { for command in txt2img inpaint train eval; do "$latent" help $command; done | grep -e cfg-scale -e negative-prompt -e learning-rate; }'
for size in 48 48x48 48X48 "$(printf '48\303\22748')"; do
    check "--size $size" eval 'draws -p "a nut" --size "$size" -o got.png && prints inspect got.png && grep -q "48x48" out'
done
for size in 0 x 48x 48x0 48y48 48x48x48 -1 99999 ""; do
    refuse "--size $size" 2 "size $size: WIDTHxHEIGHT, as in 512x768" latent -p "a nut" --size "$size"
done

nut() { out=$1 && shift && prints -q -p "a nut" --seed 1 --steps 5 "$@" --save-latents "$out.safetensors" -o "$out.png"; } # OUT OPTION...
same_nut() { cmp "$1.safetensors" "$2.safetensors"; }
check "--guidance-interval of all noise is guidance" eval 'nut whole && nut all --guidance-interval 0:20 && same_nut whole all'
check "of none it is the prompt alone" eval 'nut one --cfg 1 && nut none --guidance-interval 99: && same_nut one none &&
    nut none --guidance-interval :0.001 && same_nut one none'
check "of some it is between them" eval 'nut some --guidance-interval 0.3:5 && ! same_nut some whole && ! same_nut some one'
check "and told to who asks how" eval 'has_text some.png "Guidance interval: \"0.3:5\"" && nut again --from some.png && same_nut some again'
check "--deep-cache 1 is all" eval 'nut deep --deep-cache 1 && same_nut deep whole'
check "--deep-cache 2 is another picture, and told" eval 'nut deep --deep-cache 2 && ! same_nut deep whole && has_text deep.png "Deep cache: 2" &&
    nut again --from deep.png && same_nut again deep'
check "--merge-tokens 0 merges none" eval 'nut merged --merge-tokens 0 && same_nut merged whole'
check "--merge-tokens 0.5 is another picture, and told" eval 'nut merged --merge-tokens 0.5 && ! same_nut merged whole &&
    has_text merged.png "Token merging ratio: 0.5" && nut again --from merged.png && same_nut again merged'
for interval in 5 5:0.3 2:2 -1:2 0.3:x 0.3:5x : nan:2 0.3:inf ""; do
    refuse "--guidance-interval $interval" 2 'guidance-interval .*: LOW:HIGH, as in 0.3:5' latent -p "a nut" --guidance-interval "$interval"
done

check "a size far from the model's own is noted" eval 'draws -p "a nut" --size 136x64 -o got.png && [ "$(wc -l <err)" -eq 1 ] &&
    grep -q "^latent: note: 136x64 is far from 64x64, for which this model was trained" err'
check "up to twice of it is not" eval 'draws -p "a nut" --size 128x32 -o got.png && [ ! -s err ]'
check "networks that are nowhere, of another kind, or not the prompt's are noted" eval 'draws -p "a nut <lora:x:0.8><hypernet:y:1>" -n "[red|blue]<lora:x:1>" -o got.png &&
    [ "$(wc -l <err)" -eq 3 ] && grep -q "^latent: note: <lora:x:0.8> is left out: there is no such file around the checkpoint" err &&
    grep -q "^latent: note: <hypernet:y:1> is left out: LoRAs alone" err && grep -q "^latent: note: <lora:x:1> is left out: networks are the prompt" err &&
    draws -p "a nut <lora:x:0.8>" --plain-prompt -o got.png && ! [ -s err ]'

check "options that do nothing are noted" eval 'draws -p "a nut" -n green --cfg 1 --eta 0.5 -o got.png && [ "$(wc -l <err)" -eq 2 ] &&
    grep -q "note: --eta does nothing with this sampler" err && grep -q "note: --negative does nothing at a guidance of 1" err'
# Numbers that are none, and colons in files' names.
for bad in 0,5 abc 0.5x 0.5:abc 1:2:3 ""; do
    refuse "--lora of strength \"$bad\"" 2 "--lora none:$bad: .*\(is no number\|one number too many\)" latent -p nut --lora "none:$bad"
    refuse "--control of strength \"$bad\"" 2 "--control none:none.png:$bad: " latent -p nut --control "none:none.png:$bad"
    refuse "--image-prompt of scale \"$bad\"" 2 "--image-prompt none:none.png:$bad: " latent -p nut --image-encoder none --image-prompt "none:none.png:$bad"
done
for bad in 1e40 -1001 0.5:1e40; do
    refuse "--lora of strength $bad" 2 "--lora none:$bad: a strength from -1000 to 1000 is possible" latent -p nut --lora "none:$bad"
done
refuse "a scale" 2 "a scale from -1000 to 1000" latent -p nut --image-encoder none --image-prompt none:none.png:1e40
refuse "a strength of a control" 2 "a strength from -100 to 100" latent -p nut --control none:none.png:101
refuse "a share" 2 "a share of the steps from 0 to 1" latent -p nut --control none:none.png:1:0:1.5
for bad in nut :nut; do refuse "--region $bad" 2 "--region $bad: MASK:PROMPT" latent -p nut --region "$bad"; done
cp any.png "a:b.png"
check "a mask whose name has a colon" draws -p nut --region "a:b.png:(a pear:1.2)" -o got.png
refuse "one that is not there" 1 "none: can.t be opened" latent -p nut --region "none:b.png:(a pear:1.2)" -o got.png
refuse "a LoRA that is not there" 1 "a:b.safetensors: no such file, and none of that name around the checkpoint" latent -p nut --lora "a:b.safetensors:0.5" -o got.png

# idle COUNT NOTE COMMAND...: does its work, or not, and of what it prints COUNT notes say that something does nothing, one of them NOTE
idle() {
    number=$1 note=$2
    shift 2
    "$latent" "$@" >out 2>err </dev/null
    [ "$(grep -c "^latent: note: .*does nothing" err)" -eq "$number" ] && { [ -z "$note" ] || grep -q "^latent: note: $note" err; }
}
draw="-p nut --steps 2 -q -o got.png"
for option in "annotator canny" "control-mode prompt" "control-fit fill"; do
    check "--$option without a control" idle 1 "--${option%% *} does nothing without --control" txt2img $draw --$option
done
check "a TAESD for previews without any" idle 1 "--preview-vae does nothing without --preview" txt2img $draw --preview-vae none
check "what weighs words where all are words" idle 2 "--emphasis does nothing with --plain-prompt" txt2img $draw --plain-prompt --emphasis ignore --literal-hash
check "an embedding there" idle 1 "--embedding does nothing with --plain-prompt" txt2img $draw --plain-prompt --embedding none
check "a scale beside a size of the second pass" idle 1 "--hires does nothing beside a size" txt2img $draw --hires 2 --hires-size 96
check "an interval without levels" idle 1 "--cfg does nothing: no noise level of these steps lies in --guidance-interval; they go from " txt2img $draw --guidance-interval 900:901
check "one with some" idle 0 "" txt2img $draw --guidance-interval 0.5:901
check "of a list of schedules" idle 2 "--zero-snr does nothing without --sampler" schedule --zero-snr --json
check "a sheet's columns without a sheet" idle 1 "--columns does nothing without --sheet" eval --columns 3
check "what is drawn, of a measure that draws nothing" idle 3 "--clip does nothing without --prompts or --recall" eval --bound none --steps 3 --clip none --cfg 2
check "a model of pixels' noise" idle 1 "--model does nothing without --latent" noise -i any.png -o noise.png -m "$model"
check "a LoRA's options where none is trained" idle 2 "--rank does nothing here: it is of .latent train lora" train vae --rank 3 --vectors 2
check "nor here" idle 0 "" train lora --rank 3
check "a weight of prior pictures without these" idle 1 "--prior-weight does nothing without --prior" train lora --prior-weight 3
check "a LoRA of a module without" idle 1 "--lora does nothing here: it is of .latent run unet or clip-text" run vae-decoder --lora none --in none --out none.safetensors

refuse "layers that this model lacks" 2 '[-]-clip-skip 90: 1 to 4, ' latent -p "a nut" --clip-skip 90 -o got.png
check "one thread is no threads" eval 'prints bench -t 1 --size 16 --runs 1 && grep -q ", 1 thread; median of 1" out'

refuse "a number that is not possible" 2 'steps 0: a whole number from 1 to 1000000000 is possible' latent train unet --steps 0
refuse "a mistyped option" 2 'strenght: unknown option; did you mean --strength' latent img2img --strenght 1
refuse "a mode that no command has" 2 '[-]-mode: here a command says it: latent txt2img, img2img' latent --mode vid_gen -p "a cat"
refuse "the same as a letter" 2 '[-]M: here a command says it' latent txt2img -M upscale -p "a cat"
refuse "another command's" 2 '[-]-mode: here a command says it' latent txt2img --mode=convert
refuse "a mode without its value" 2 '[-]-mode: needs a value' latent --mode
cp "$model" own.safetensors
refuse "a model over itself" 2 'OUT ./own.safetensors: that file is already used here' latent convert own.safetensors ./own.safetensors --type bf16
refuse "a model over its LoRA" 2 'OUT own.safetensors: that file is already used here' latent convert "$model" own.safetensors --lora own.safetensors
check "  both are as they were" cmp "$model" own.safetensors
refuse "a type of weights" 2 '[-]-type: .*latent convert IN OUT --type' latent -p "a cat" --type f16
# What stable-diffusion.cpp has and Latent has not: OPTION|what is said of it
while IFS='|' read -r option said; do
    refuse "$option" 2 "[-]$option: $said" eval 'latent -p "a cat" -$option x'
    refuse "$option, with underscores" 2 ": $said" eval 'latent -p "a cat" "-$(echo "$option" | tr - _ | sed s/^_/-/)=x"'
done <<'END'
-control-net|here --control FILE:IMAGE:STRENGTH names all three
-taesd-preview-only|a TAESD makes previews alone
-upscale-model|.latent upscale -m UPSCALER. makes a picture larger
-ip-adapter-image|--image-prompt ADAPTER:IMAGE:SCALE says all three
-clip-g|a model.s parts come together: -m takes
-cache-mode|--deep-cache N is what
-guidance|--cfg says how closely the prompt is followed
-prompt-file|here -p @FILE reads
-video-frames|that is for models of another kind
END
"$latent" txt2img -p "a pear" --steps 2 --seed 5 -q -o other.png >out
quietly_other() { draws_other -p "a pear" --steps 2 --seed 5 -o got.png "$@" && [ ! -s err ]; }
noted_other() { # NOTE WORDS...
    note=$1
    shift
    draws_other -p "a pear" --steps 2 --seed 5 -o got.png "$@" && [ "$(wc -l <err)" -eq 1 ] && grep -q "^latent: note: $note" err
}
check "where it runs is noted once" noted_other '--clip-on-cpu: everything runs on the processor' --clip-on-cpu --vae-on-cpu --backend te=cpu,vae=cuda0
check "so is more talk" noted_other '-v: what is to be told is told' -v
check "so is another attention" noted_other '--diffusion-fa: attention is always computed in pieces' --diffusion-fa
check "so is how often a preview comes" noted_other '--preview-interval: ' --preview-interval 5
check "so is the preview's kind" eval 'noted_other "--preview proj: here FILE says where" --preview proj --preview-path kind.png && [ -s kind.png ]'
check "values by which nothing is chosen" quietly_other --threads -1 --clip-skip -1 --mode img_gen
check "kinds of prediction by other names" eval 'draws -p "a nut" --seed 1 --prediction epsilon -o e.png && draws -p "a nut" --seed 1 --prediction v -o v.png &&
    draws -p "a nut" --seed 1 --prediction eps -o got.png && cmp got.png e.png && ! cmp -s e.png v.png &&
    draws -p "a nut" --seed 1 --prediction v_prediction -o got.png && cmp got.png v.png'
check "a mode that is this command" draws_other txt2img -M txt2img -p "a pear" --steps 2 --seed 5 -o got.png
check "-v before others is no version" eval '"$latent" -v -p "a pear" --steps 2 --seed 5 -q -o got.png 2>err && cmp got.png other.png'
check "tiles, and their size" eval 'draws -p "a nut" --vae-tiling --vae-tile-size 32x32 -o got.png && grep -q "note: --vae-tile-size: " err'
check "the beginning of one, which begins a foreign one too" draws -p "a nut" --sampler euler --preview-p kind.png -o got.png

"$latent" img2img -i other.png -p "a nut" --steps 3 --seed 5 -q -o changed.png >out
"$latent" inpaint -i other.png --mask same.png -p "a nut" --steps 3 --seed 5 -q -o repainted.png >out
check "a picture to start from makes it img2img" eval 'prints -i other.png -p "a nut" --steps 3 --seed 5 -q -o got.png && cmp got.png changed.png'
check "behind the prompt, too" eval 'prints "a nut" --init-img=other.png --steps 3 --seed 5 -q -o got.png && cmp got.png changed.png'
for mode in "--mode img2img" "-M img_gen"; do
    check "$mode" eval 'prints $mode -i other.png -p "a nut" --steps 3 --seed 5 -q -o got.png && cmp got.png changed.png && [ ! -s err ]'
done
check "a mask makes it inpaint" eval 'prints -i other.png --mask same.png -p "a nut" --steps 3 --seed 5 -q -o got.png && cmp got.png repainted.png'
refuse "a mask without a picture" 2 'which picture? name it with -i IN' latent -p "a nut" --mask same.png
check "-i is a prompt behind -p" draws -p -i -o got.png
"$latent" convert "$model" typed.safetensors --type f16
check "-M convert" eval 'prints -M convert -m "$model" -o got.safetensors --type f16 && cmp got.safetensors typed.safetensors && [ ! -s err ]'
check "convert, with -m or -o alone" eval 'prints convert got.safetensors -o again.safetensors && cmp got.safetensors again.safetensors &&
    prints convert -m got.safetensors last.safetensors && cmp got.safetensors last.safetensors'
refuse "convert to nowhere" 2 'IN and OUT are needed' latent -M convert -m "$model"
refuse "convert with a word too many" 2 'IN and OUT are needed' latent convert -m "$model" -o got.safetensors more.safetensors
check "a model in int8, by what it draws" eval '
    "$latent" convert "$model" eight.safetensors --quantize int8 >out 2>err && grep -q "note: int8 for .* layers: the U-Net is 0.0.* dB" err &&
    prints inspect eight.safetensors && grep -q "latent.int8.layers = [0-9]* of 107$" out && grep -q "auto here: int8$" out &&
    draws -m eight.safetensors -p "a cat" --seed 1 -o got.png && has_text got.png "Precision: int8"'
refuse "int8 twice" 1 "eight.safetensors: it is quantised already" latent convert eight.safetensors again.safetensors --quantize int8
check "a model packed for this processor" eval '
    "$latent" convert "$model" packed.safetensors --pack --precision int8 2>err && draws -m packed.safetensors -p "a cat" --seed 1 -o got.png &&
    has_text got.png "Precision: int8"'
refuse "a packed model in another precision" 1 "is packed for int8" latent txt2img -q -m packed.safetensors -p "a cat" --precision f32 -o none.png
head -c 1000000 packed.safetensors >cut.safetensors
refuse "a packed model that is cut off" 1 "cut.safetensors: .*cut off" latent txt2img -q -m cut.safetensors -p "a cat" -o none.png
check "a type, where there is one" eval 'prints convert --synthetic tiny-clip typed --type f16'
refuse "the beginning of several" 2 '[-]-st: which one is meant? --strength, --steps begin so' latent img2img --st 3
refuse "of others' names too" 2 '[-]-num: which one is meant? --num-inference-steps, --num-images begin so' latent -p "a cat" --num 3
check "the beginning of one" draws -p "a nut" --samp euler --schedu karras -o got.png
refuse "letters exchanged" 2 'did you mean --steps' latent txt2img --setps=3
refuse "another program's, mistyped" 2 'did you mean --cfg' latent txt2img --cfg-skale 3
refuse "a mistyped --help" 2 'did you mean --help' latent tokenize --hlep
refuse "an option of img2img" 2 'i: unknown option; see .latent txt2img --help.; .latent img2img. has it' latent txt2img -i same.png
refuse "an option that nobody knows" 2 'frobnicate: unknown option; see .latent txt2img --help.$' latent --frobnicate x
for command in convert eval inspect train bench; do
    refuse "a mistyped option of $command" 2 "did you mean --$(prints $command -h && sed -n 's/^  *--\([a-z]*\)[ a-zA-Z]*  .*/\1/p' out | head -n 1)? " \
        latent $command "--$(sed -n 's/^  *--\([a-z]*\)[ a-zA-Z]*  .*/\1/p' out | head -n 1)q"
done

# ---- Help and version ----

for word in -v -V --version version; do check "latent $word" eval 'prints $word && grep -q "^latent [0-9.]*$" out'; done
check "a command's --version" eval 'prints txt2img --version && grep -q "^latent [0-9.]*$" out'
for word in -h --help help; do check "latent $word" eval 'prints $word && grep -q "^  txt2img " out'; done
for command in $(sed -n 's/^  \([a-z0-9]*\) .*/\1/p' out); do
    check "help $command, -h and --help say the same" eval 'prints help $command && mv out help && prints $command -h && cmp out help &&
        prints $command x --help y && cmp out help && grep -q "^examples:" help'
done
check "--help COMMAND" eval 'prints --help plot && mv out help && prints plot -h && cmp out help'
refuse "help of nothing" 2 'no command txtimg; did you mean txt2img' latent help txtimg
check "--help is a prompt behind -p" eval 'draws -p --help --seed 1 -o - && has_text out "parameters --help"'
check "--help behind -- is a word" eval 'prints tokenize -- --help && grep -q "^\[49406, " out'

# The first example of each, in an order in which they make what the next ones read.
examples() {
    mkdir examples && cd examples || return 1
    for command in txt2img img2img encode decode noise similarity inspect tokenize schedule convert bench help completion man; do
        example=$("$latent" help $command | sed -n '/^examples:/{n;p;}')
        HOME=$PWD && mkdir -p .local/share/bash-completion/completions && eval "$example" >said || { echo "$example"; cd ..; return 1; }
    done
    cd ..
}
check "examples of the help work as they stand" examples

# ---- Completion ----

# What each shell offers behind these words: WORDS, and some of what is offered. In a folder with one file.
cat >offers <<'END'
latent tx|txt2img
latent help ins|inspect
latent train un|unet
latent train vae --pre|--precision --prediction
latent txt2img --sampler dpmpp_2|dpmpp_2m dpmpp_2m_sde dpmpp_2s_a
latent inspect cho|chosen.safetensors
latent txt2img -m cho|chosen.safetensors
latent completion |bash fish zsh
END
mkdir folder && : >folder/chosen.safetensors
for shell in bash zsh fish; do "$latent" completion $shell >folder/completion.$shell; done
cp folder/completion.zsh folder/_latent

cat >offer.bash <<'END'
cd folder && . ./completion.bash && read -ra COMP_WORDS <<<"$1" && [ "${1% }" = "$1" ] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")); } # bash's own way, which works at a prompt only
_latent && printf '%s\n' "${COMPREPLY[@]}"
END
cat >offer.fish <<'END'
cd folder; source completion.fish; complete -C "$argv[1]"
END
cat >offer.zsh <<'END'
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "cd folder; fpath=(\$PWD \$fpath); autoload -Uz compinit; compinit -u -D; stty cols 200 rows 100; bindkey '^T' list-choices; PS1='G''O'"
zpty -r z out '*GO*'
zpty -w -n z "$1"$'\C-T'
zpty -w -n z $'\C-A\C-K'"echo E''ND"$'\n'
zpty -r z out $'*END\r*'
print -r -- $out
zpty -d z
END
offers() { # SHELL: every line of offers
    while IFS='|' read -r words wanted; do
        case $1 in
        bash) bash --norc offer.bash "$words" ;;
        zsh) timeout --foreground 60 zsh -f offer.zsh "$words" ;;
        fish) fish --no-config offer.fish "$words" ;;
        esac >offered 2>&1 </dev/null
        for word in $wanted; do grep -q -e "$word" offered || { echo "$words: no $word"; cat offered; return 1; }; done
    done <offers
}
has_all() { # SCRIPT: every command and every option of the help is in it
    for command in $("$latent" help | sed -n 's/^  \([a-z0-9]*\) .*/\1/p'); do
        grep -q -w -e "$command" "$1" || return 1
        for option in $("$latent" help "$command" | sed -n 's/^  ...  *--\([a-z0-9-]*\).*/\1/p'); do
            grep -q -w -e "$option" "$1" || return 1
        done
    done
}
for shell in bash zsh fish; do
    check "$shell: every command and option" has_all folder/completion.$shell
    check "$shell: its quotation marks are closed" eval '[ $(($(tr -dc "\042" <folder/completion.$shell | wc -c) % 2)) -eq 0 ]'
    if command -v $shell >/dev/null; then
        check "$shell reads it" $shell -n folder/completion.$shell
        [ $shell = zsh ] && ! has_terminals || check "$shell completes" offers $shell
    fi
done
refuse "completion of another shell" 2 'bash, zsh or fish' latent completion tcl

# ---- The line that tells how far it is ----

# on_terminal COLUMNS COMMAND...: what a terminal of that width shows goes to the file shown, a row for each redrawing
on_terminal() {
    columns=$1
    shift
    script -qec "stty cols $columns; $*" /dev/null </dev/null 2>&1 | tr '\r' '\n' | sed "s/$(printf '\033')\[K//g" >shown
}
narrower() { [ -z "$(awk -v most="$1" 'length > most' shown)" ]; } # COLUMNS
if has_terminals; then
    for columns in 200 80 60 40 24 12; do
        check "a picture's line fits $columns columns" eval '
            on_terminal $columns "$latent" -p fig --seed 1 -b 2 --steps 3 -o fit-%d.png && narrower $((columns > 34 ? columns - 1 : 34)) &&
            grep -q "3/3" shown && [ -s fit-2.png ]'
    done
    check "it has a bar where there is room" eval 'on_terminal 80 "$latent" -p fig --steps 2 -o fit.png && grep -q "^\[####################\] step 2/2, " shown'
    check "a shorter one where there is less" eval 'on_terminal 48 "$latent" -p fig --steps 2 -o fit.png && grep -q "^\[#\{5,12\}\] step 2/2, " shown'
    check "and few words where there is none" eval 'on_terminal 30 "$latent" -p fig --steps 2 -o fit.png && grep -q "2/2, 0:00 left" shown &&
        ! grep -q "step 2/2" shown'
    check "a width that only COLUMNS tells" eval 'COLUMNS=30 on_terminal 0 "$latent" -p fig --steps 2 -o fit.png &&
        grep -q "2/2, 0:00 left" shown && ! grep -q "step 2/2" shown'
    check "a terminal that can only print gets lines" eval 'TERM=dumb on_terminal 80 "$latent" -p fig --steps 2 -o fit.png && grep -q "^step 2/2" shown'
fi

# ---- Stops, and readers that leave ----

is_there() { [ -e "$1" ]; }
part_of() { for part in $1.*.part; do is_there "$part" && return 0; done; return 1; }
alive() { { read -r _ _ process_state _ <"/proc/$child/stat" && [ "$process_state" != Z ]; } 2>/dev/null; }
# stopped SIGNAL STATUS OUT COMMAND...: a signal while OUT is being written ends the command so, with one line and no file
stopped() {
    signal=$1 wanted=$2 output=$3
    shift 3
    "$latent" "$@" >out 2>err &
    child=$!
    while ! part_of "$output" && alive; do :; done
    kill -"$signal" $child
    wait $child
    got=$?
    cat err
    echo "status $got"
    [ $got -eq "$wanted" ] && grep -q "^latent: stopped" err && [ "$(wc -l <err)" -eq 1 ] && ! part_of "$output" && ! is_there "$output"
}
check "Ctrl-C while a file is converted" stopped INT 130 sd15.safetensors convert --synthetic sd15 sd15.safetensors
check "SIGTERM while a file is converted" stopped TERM 143 sd15.safetensors convert --synthetic sd15 sd15.safetensors
check "Ctrl-C while a folder is converted" stopped INT 130 vit convert --synthetic vit-b-32 vit --type f32
twice() { # the second of two Ctrl-C ends what the first one would still save
    "$latent" txt2img -p "a fig" --steps 1000 --sampler heun -W 256 -H 256 -q --preview seen.png -o never.png 2>err &
    child=$!
    while ! is_there seen.png && alive; do :; done
    kill -STOP $child
    kill -INT $child
    kill -TERM $child
    kill -CONT $child
    wait $child
    got=$?
    { [ $got -eq 143 ] || [ $got -eq 130 ]; } && ! is_there never.png
}
check "two signals end it" twice

# stopped_twice OUT COMMAND...: the second signal comes before the first has been looked at, and nothing is left
stopped_twice() {
    output=$1
    shift
    "$latent" "$@" >out 2>err &
    child=$!
    while ! part_of "$output" && alive; do :; done
    kill -STOP $child
    kill -INT $child
    kill -TERM $child
    kill -CONT $child
    wait $child
    got=$?
    echo "status $got"
    { [ $got -eq 143 ] || [ $got -eq 130 ]; } && ! part_of "$output" && ! is_there "$output"
}
check "two signals while a file is converted" stopped_twice sd15.safetensors convert --synthetic sd15 sd15.safetensors
check "two signals while a folder is converted" stopped_twice vit convert --synthetic vit-b-32 vit --type f32

# unread STATUS COMMAND...: ends so if the reader of its output has left before it begins
unread() {
    wanted=$1
    shift
    { read -r _ <gone && "$@" && echo 0 >status || echo $? >status; } | { exec <&- && echo >gone; }
    is status "$wanted"
}
mkfifo gone
quiet_errors() { "$@" 2>err; }
errors_first() { "$@" 2>&1 >out; }
check "pictures are drawn though nobody reads their names" eval '
    unread 1 quiet_errors "$latent" -p "a fig" --seed 1 -b 5 -q --steps 2 -o piped.png && [ "$(ls piped-*.png | wc -l)" -eq 5 ] && is err ""'
check "help that nobody reads ends without a word" eval 'unread 1 quiet_errors "$latent" man && is err ""'
check "a picture that nobody reads is a failure" eval 'unread 1 quiet_errors "$latent" -p "a fig" -q --steps 1 -o - && grep -q "Broken pipe" err'
check "pictures are drawn though nobody reads their progress" eval '
    unread 0 errors_first "$latent" -p "a fig" --seed 1 -b 2 --steps 5 -o mute.png && [ -s mute-2.png ] && [ "$(wc -l <out)" -eq 2 ]'

exit $failed
