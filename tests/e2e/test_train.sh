#!/bin/sh
# latent train as its users run it: what it makes, how it goes on after every kind of end, what it refuses.
# usage: test_train.sh LATENT COMPARE
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1") compare=$(realpath "$2")
enter
data=data exec=''

# ---- Small trainings: KIND NAME [options] makes NAME.safetensors ----

train() {
    trained=$1 model=$2
    shift 2
    $exec "$latent" train "$trained" -d "$data" -o "$model.safetensors" -q -t 2 --size 32 --batch 2 "$@" >out 2>err
}
draw() { "$latent" txt2img -q "$@" >out 2>err; }
vae() { train vae "$@" --width 16 --mult 1,2 --groups 4; }
clip() { train clip "$@" --text-width 64 --text-layers 1 --image-width 64 --image-layers 1 --projection 16; }
small_unet() { train unet "$@" --width 16 --mult 1,2 --attention 0,1 --groups 4 --heads 2; }
unet() { small_unet "$@" --vae vae.safetensors --text clip.safetensors; }
pixel() { small_unet "$@" --space pixel --unconditional; }

# ---- What a run leaves behind ----

# The state's tensors, and what it says beside them but for the time that it took.
contents() {
    size=$(od -A n -t u8 -N 8 "$1" | tr -d ' ')
    head -c $((size + 8)) "$1" | tail -c "$size" | sed 's/\\"seconds\\":[^,}]*//; s/ *$//'
    tail -c +$((size + 9)) "$1"
}

# rows NAME N: one row for each step up to N
rows() { [ "$(sed 's/^{"step":\([0-9]*\),.*}$/\1/' "$1.safetensors.jsonl")" = "$(seq 1 "$2")" ]; }

# same_run A B STEPS: to the byte, and nothing is left beside B
same_run() {
    contents "$1.safetensors.state" >state.1
    contents "$2.safetensors.state" >state.2
    cmp state.1 state.2 && cmp "$1.safetensors" "$2.safetensors" && rows "$1" "$3" && rows "$2" "$3" && nothing_left "$2"
}
nothing_left() { [ -z "$(find . -maxdepth 1 -name "$1*.part" -o -name "$1*.sample")" ]; }
whole() { "$compare" "$1.safetensors.state" "$1.safetensors.state" "$(last_tensor "$1")" 0; } # can be opened
last_tensor() { head -c 100000 "$1.safetensors.state" | grep -ao '"ema[^"]*"' | tail -n 1 | tr -d '"'; }
keep() { cp "$1.safetensors" kept && cp "$1.safetensors.state" kept.state; }
untouched() { cmp "$1.safetensors" kept && cmp "$1.safetensors.state" kept.state && nothing_left "$1"; }

# ---- Models ----

"$latent" convert --synthetic tiny tiny.safetensors && mkdir data &&
    "$latent" txt2img -m tiny.safetensors -q -p "a cat" --steps 1 --cfg 1 -W 48 -H 32 --seed 1 -b 12 -o data/p.png \
        >out 2>err || exit 1
for i in $(seq 12); do echo "{\"file_name\": \"p-$i.png\", \"text\": \"number $i\"}"; done >data/metadata.jsonl

inspects() { "$latent" inspect "$1.safetensors" | grep -q -- "$2"; }
fast="--rate 1e-3 --warmup 2" # so that six steps are seen in the weights
check "train vae" vae vae --steps 6 $fast
check "it is a VAE" inspects vae '^  VAE .* F32$'
check "its state is no model, and shown for what it is" eval '
    "$latent" inspect vae.safetensors.state | grep -q "^  state of a training"'
refuse "drawing with a state" 1 'the state of a training, not a model' draw -p "" -m vae.safetensors.state -o no.png
check "train clip" clip clip --steps 6 $fast
check "it is a CLIP" inspects clip '^  CLIP .* F32$'
check "train unet" unet unet --steps 6 --sample-steps 3 $fast
check "it is a whole model" inspects unet 'LDM checkpoint: VAE, U-Net; transformers: CLIP'
check "it drew samples" test -s unet.safetensors-3.png -a -s unet.safetensors-6.png
check "nothing is left beside it" nothing_left unet
check "the model draws" "$latent" txt2img -m unet.safetensors -q -p "number 3" --steps 2 --seed 1 -o unet.png
check "words that it knows" draw -m unet.safetensors -p "Numbers 4" --steps 1 --seed 1 -o unet.png
check "are drawn without a note" test ! -s err
check "words that it never met" draw -m unet.safetensors -p "a (numbr:1.2) <lora:x:1> 7" --steps 1 --seed 1 -o unet.png
check "are told" grep -q "note: this small model has learned nothing of: a, numbr (it" err
check "train unet on pixels, without text" pixel pixel --steps 6 $fast
check "it is a U-Net of three channels" inspects pixel 'U-Net: 3 channels in, context of 0'
check "it draws while it learns" pixel sampled --steps 2 --sample-steps 1
check "both pictures" test -s sampled.safetensors-1.png -a -s sampled.safetensors-2.png
check "fine-tuning" small_unet tuned --init unet.safetensors --only cross-attention --steps 2
check "a plot of the logs" "$latent" plot vae.safetensors.jsonl unet.safetensors.jsonl -f loss -o plot.png
check "it is a picture" eval '"$latent" inspect plot.png | grep -q 1000x600'
check "progress is shown" eval '
    "$latent" train vae -d data -o shown.safetensors -t 2 --size 32 --batch 2 --width 16 --mult 1,2 --groups 4 \
        --steps 2 2>err && grep -q "^step 2/2, loss .*, psnr .* samples/s, 0:00:00 left$" err'
check "another seed leads elsewhere" eval 'vae seed --steps 6 --seed 1 $fast && ! cmp -s vae.safetensors seed.safetensors'

# ---- Fine-tuning: what the shapes of the weights do not say is kept ----

says_of() { "$latent" inspect "$1.safetensors" | grep -qF -- "$2"; } # NAME LINE
check "a CLIP and a model with other settings, as folders" eval '
    "$latent" convert --synthetic tiny-clip clip.folder && "$latent" convert unet.safetensors unet.folder --to diffusers &&
    sed -i "s/quick_gelu/gelu/; /pad_token_id/s/49407/0/" clip.folder/config.json unet.folder/text_encoder/config.json &&
    sed -i "s/scaled_linear/linear/; s/0.012/0.02/" unet.folder/scheduler/scheduler_config.json'
check "a single file of a folder keeps it" eval '
    "$latent" convert clip.folder gelu-file.safetensors && says_of gelu-file "hidden_act = \"gelu\""'
check "and a file of that file" eval '
    "$latent" convert gelu-file.safetensors again-clip.safetensors --to ldm && says_of again-clip "hidden_act = \"gelu\""'
check "a CLIP with its activation" eval '
    train clip gelu --init clip.folder --size 64 --steps 1 && says_of gelu "hidden_act = \"gelu\""'
check "a U-Net with its schedule, and its text encoder's activation" eval '
    small_unet linear --init unet.folder --steps 1 && says_of linear "text_encoder.hidden_act = \"gelu\"" &&
    says_of linear "beta_schedule = \"linear\"" && says_of linear "beta_end = 0.02"'
check "a schedule that was mended is the new one" eval '
    "$latent" convert unet.folder odd.safetensors && says_of odd "linear" &&
    "$latent" convert odd.safetensors odd.folder --to diffusers &&
    sed -i "s/\"linear\"/\"scaled_linear\"/; s/0.02/0.012/" odd.folder/scheduler/scheduler_config.json &&
    "$latent" convert odd.folder even.safetensors && says_of even "scaled_linear" && ! says_of even "0.02"'
check "both are the same again as a folder" eval '
    "$latent" convert linear.safetensors linear.folder --to diffusers &&
    cmp linear.folder/text_encoder/config.json unet.folder/text_encoder/config.json &&
    cmp linear.folder/scheduler/scheduler_config.json unet.folder/scheduler/scheduler_config.json'
check "a single file keeps them too" eval '
    "$latent" convert linear.folder again.safetensors && draw -m again.safetensors -p "" --seed 1 --steps 2 -o again.png &&
    draw -m linear.safetensors -p "" --seed 1 --steps 2 --save-latents a -o a.png &&
    draw -m again.safetensors -p "" --seed 1 --steps 2 --save-latents b -o b.png && cmp a b'
check "a CLIP of a whole model, alone" eval '
    train clip alone-clip --init unet.safetensors --steps 1 && says_of alone-clip "transformers: CLIP" &&
    ! says_of alone-clip U-Net'
check "a VAE of a whole model, alone, with its scale" eval '
    train vae alone-vae --init tiny.safetensors --steps 1 --size 64 && says_of alone-vae "LDM checkpoint: VAE" &&
    ! says_of alone-vae U-Net && says_of alone-vae "scaling_factor = 0.18215"'
refuse "cross-attention that is not there" 1 'nothing of what is to be trained' small_unet none --init pixel.safetensors \
    --space pixel --only cross-attention
refuse "a part of a VAE" 1 'only of a U-Net' vae none --init vae.safetensors --only cross-attention

# ---- Going on ----

# goes_on KIND [options]: six steps at once are the same as two and four
goes_on() {
    kind=$1
    shift
    rm -rf whole.* parts.*
    "$kind" whole --steps 6 $fast "$@" && "$kind" parts --steps 2 $fast --resume "$@" &&
        "$kind" parts --steps 6 $fast --resume "$@" && same_run whole parts 6
}
for kind in vae clip unet pixel; do
    check "$kind goes on to the same bytes" goes_on $kind
    check "$kind, crops that are turned" goes_on $kind --crop --flip
    check "$kind, two batches a step" goes_on $kind --accumulate 2
done
check "vae without averages, activations twice, |x|" goes_on vae --ema 0 --recompute --l1
check "unet, v and min-SNR" goes_on unet --prediction v --min-snr 5
check "a run that is done stays as it is" eval 'keep parts && unet parts --steps 6 $fast --resume --prediction v --min-snr 5 &&
    cmp parts.safetensors kept'

# all steps are in the state, and the model is one of an earlier stop: killed before it was written
check "a model that is behind its state is made again" eval '
    vae behind --steps 2 $fast && cp behind.safetensors early && vae behind --steps 6 --resume $fast &&
    cp behind.safetensors late && cp early behind.safetensors && vae behind --steps 6 --resume $fast &&
    cmp behind.safetensors late'

# ---- Killed ----

alive() { { read -r _ _ process_state _ <"/proc/$run/stat" && [ "$process_state" != Z ]; } 2>/dev/null; }
# whether it was made since the run began, and if it is the model's, which is open all the while, whether it is being filled
is_begun() { [ "$1" -nt begun ] && { [ "${1%.safetensors.latent.part}" = "$1" ] || [ -s "$1" ]; }; }
# begin COMMAND...: in the background; $run is the program's own number
begin() {
    touch begun
    (exec=exec && "$@") &
    run=$!
}
await_part() { while ! is_begun $1.latent.part && alive; do :; done; } # a file that is being written
await_log() { while ! [ -s "$1.safetensors.jsonl" ] && alive; do :; done; }
spin() {
    n=$1
    while [ "$n" -gt 0 ]; do n=$((n - 1)); done
}
# finish SIGNAL: sends it to the run; the run's status is in $ended
finish() {
    kill -"$1" $run 2>/dev/null
    wait $run 2>/dev/null
    ended=$?
}

# killed KIND NAME WHERE SPIN: a session that saves each step ends by SIGKILL, some time after a file of WHERE is begun
killed() {
    begin "$1" "$2" --steps 30 --save-steps 1 --resume $fast
    await_part "$3"
    spin "$4"
    finish KILL
    [ $ended -eq 137 ] && kills=$((kills + 1))
    [ ! -e "$2.safetensors.state" ] || whole "$2"
}
# While states are written: begun, filled, synchronised, renamed; and soon after.
killed_often() {
    kills=0
    for spins in 0 50 100 200 400 800 1600 3200 6400 12800 0 3000 5000 7000 9000; do
        killed "$1" "$2" "$2.safetensors.state" $spins || return 1
    done
    [ $kills -ge 10 ] && [ -e "$2.safetensors.state" ]
}
check "vae without an interruption" vae alone --steps 30 $fast
check "vae is killed 15 times while it saves; each state is whole" killed_often vae killed
check "it goes on to the same bytes" eval 'vae killed --steps 30 --resume $fast && same_run alone killed 30'

check "unet without an interruption" unet whole-unet --steps 30 $fast
kills=0
for spins in 0 300 1000; do
    check "unet is killed while it encodes" killed unet killed-unet "killed-unet.safetensors.cache/*" $spins
done
for spins in 0 1000 9000; do
    check "unet is killed while it saves" killed unet killed-unet killed-unet.safetensors.state $spins
done
for spins in 0 1000 3000; do
    check "unet is killed while the model is written" killed unet killed-unet killed-unet.safetensors $spins
done
check "most of these kills came in time" test $kills -ge 6
check "it goes on to the same bytes" eval '
    unet killed-unet --steps 30 --resume $fast && same_run whole-unet killed-unet 30'
check "no half cache is left" eval '[ -z "$(find killed-unet.safetensors.cache -name "*.part")" ]'

# ---- Two at once ----

begin vae two --steps 100000 --save-steps 1 $fast
await_part two.safetensors.state
for how in --resume --overwrite; do
    refuse "a second training of the same output, $how" 1 'two.safetensors: another program or thread is writing it' \
        vae two --steps 9 $how
done
refuse "writing the same output otherwise" 1 'two.safetensors: another program or thread is writing it' \
    latent convert tiny.safetensors two.safetensors
finish KILL
check "the lock has gone with the first one" eval 'vae two --steps 1 --overwrite && whole two && nothing_left two'

# ---- Stopped ----

# stopped SIGNAL KIND NAME [options]: saves everything, says so, and goes on to what a run of 30 steps gives
stopped() {
    signal=$1 kind=$2 name=$3
    shift 3
    begin "$kind" "$name" --steps 30 "$@"
    await_log "$name"
    finish "$signal"
    [ $ended -eq "$([ "$signal" = INT ] && echo 130 || echo 143)" ] && [ "$(wc -l <err)" -eq 1 ] || return 1
    step=$(sed -n "s/^latent: stopped after step \([0-9]*\) of 30; --resume goes on from $name.safetensors.state$/\1/p" err)
    rows "$name" "$step" && "$latent" inspect "$name.safetensors" && whole "$name"
}
check "vae is stopped by SIGINT" stopped INT vae stopped-vae $fast
check "it goes on to the same bytes" eval 'vae stopped-vae --steps 30 --resume $fast && same_run alone stopped-vae 30'
check "unet is stopped by SIGTERM, its rate falling" stopped TERM unet stopped-unet --cosine --accumulate 2 $fast
check "it goes on to the same bytes" eval '
    unet stopped-unet --steps 30 --resume --cosine --accumulate 2 $fast &&
    unet whole-cosine --steps 30 --cosine --accumulate 2 $fast && same_run whole-cosine stopped-unet 30'

check "a training goes on though nobody reads its progress" eval '
    { "$latent" train vae -d data -o unread.safetensors -t 2 --size 32 --batch 2 --width 16 --mult 1,2 --groups 4 --steps 3 2>&1 &&
        echo 0 >status || echo $? >status; } | :
    [ "$(cat status)" = 0 ] && rows unread 3 && whole unread'

# ---- A full disk, a loss that is not a number ----

limited() { (ulimit -f "$1" && shift && "$@"); } # BLOCKS COMMAND...: blocks of 512 or 1024 bytes, as the shell has it
check "two steps" vae disk --steps 2 $fast && keep disk
refuse "a full disk while the state is saved" 1 'state of step 4 was not saved; .* untouched: .*File too large' \
    limited 1000 vae disk --steps 8 --save-steps 2 --resume $fast
check "the last state is untouched" untouched disk
check "it goes on to the same bytes" eval '
    vae disk --steps 6 --resume $fast && same_run vae disk 6'
refuse "a full disk while the model is written" 1 'disk-unet.safetensors: can.t be written: File too large' \
    limited 10000 unet disk-unet --steps 6 --cache unet.safetensors.cache $fast
check "there is no half model" test ! -e disk-unet.safetensors
check "there is a state; it goes on to the same bytes" eval '
    unet disk-unet --steps 6 --cache unet.safetensors.cache --resume $fast && same_run unet disk-unet 6'
wild="--rate 10 --decay 1 --clip 0 --warmup 0" # the weights grow ninefold with each step
check "one step at a wild rate" vae wild --steps 1 $wild && keep wild
refuse "a loss that is not a number" 1 'step [0-9]*: the .* is not \(a number\|finite\)' vae wild --steps 99 --resume $wild
check "the last state is untouched" untouched wild

# ---- Resuming what is none of this run ----

check "a run of one step" vae base --steps 1 && keep base
for option in "seed 1" flip crop "accumulate 2" "decay 0" "ema 0" "kl 0" l1 \
    "latent-channels 8" "blocks 2"; do
    refuse "going on with --$option" 1 "base.safetensors.state was made with ${option%% *}=.*, and now it is ${option%% *}=" \
        vae base --steps 2 --resume --$option
done
refuse "going on with the steps of a falling rate" 1 'cosine=0, and now it is cosine=2' vae base --steps 2 --resume --cosine
refuse "going on with another width" 1 'made with width=16, and now it is width=32' train vae base --width 32 \
    --mult 1,2 --groups 4 --steps 2 --resume
refuse "going on as another kind" 1 'made with trainer=vae, and now it is trainer=clip' clip base --steps 2 --resume
cp -r data other && sed 's/number/digit/' data/metadata.jsonl >other/metadata.jsonl
data=other
refuse "going on with other data" 1 'made with data=.*, and now it is data=.* (the data set' vae base --steps 2 --resume
data=data
check "nothing was touched" untouched base
check "a unet of one step, and other models" eval '
    unet base-unet --steps 1 && cp vae.safetensors vae.kept && cp clip.safetensors clip.kept &&
    clip clip --steps 1 --seed 1 --overwrite'
refuse "going on with another text encoder" 1 'made with text=.*, and now it is text=' unet base-unet --steps 2 --resume
check "another vae" eval 'cp clip.kept clip.safetensors && cp seed.safetensors vae.safetensors'
refuse "going on with another vae" 1 'made with vae=.*, and now it is vae=' unet base-unet --steps 2 --resume
cp vae.kept vae.safetensors
refuse "going on from other frozen weights" 1 'made with init=.*, and now it is init=' small_unet tuned \
    --init whole-unet.safetensors --only cross-attention --steps 3 --resume
head -c 3000 base.safetensors.state >torn.safetensors.state
refuse "a state that is cut off" 1 'torn.safetensors.state: .*cut off' vae torn --steps 2 --resume
cp base.safetensors torn.safetensors.state
refuse "a model as a state" 1 'torn.safetensors.state: not a training state' vae torn --steps 2 --resume
echo "not a log" >torn.safetensors.jsonl && rm torn.safetensors.state
refuse "a file that is no log" 1 'torn.safetensors.jsonl: .*no row of a training log' vae torn --steps 2 --overwrite
check "it is untouched" grep -qx 'not a log' torn.safetensors.jsonl
refuse "beginning where a model is" 1 'base.safetensors is there: go on with --resume, name another --output, or begin anew .* --overwrite' \
    vae base --steps 1 --seed 3
check "it is untouched" untouched base
check "with --overwrite it begins anew" eval '
    vae base --steps 1 --seed 3 --overwrite && ! cmp -s base.safetensors kept && rows base 1 && keep base'
check "going on behind the last step" eval '
    vae base --steps 1 --seed 3 --resume && untouched base && grep -q "base.safetensors is trained: step 1 of 1 is done" err'

# linked COMMAND...: succeeds, and model, state and log are where links lead, which are still links
linked() {
    "$@" || return 1
    for ending in safetensors safetensors.state safetensors.jsonl; do
        [ -L linked.$ending ] && [ -s far/$ending ] || { echo "linked.$ending"; return 1; }
    done
}
mkdir far
for ending in safetensors safetensors.state safetensors.jsonl; do ln -s far/$ending linked.$ending; done
check "model, state and log through links" linked vae linked --steps 1
check "they go on" linked vae linked --steps 2 --resume
check "and begin anew" linked vae linked --steps 1 --overwrite

# ---- Pictures that can't be read ----

cp -r data broken && head -c 100 data/p-3.png >broken/p-3.png && data=broken
check "vae leaves out a broken picture" goes_on vae
check "it is named and counted" eval 'vae broken --steps 6 && grep -q "^latent: note: .*p-3.png.*left out.*(1 of 12)" err'
check "unet leaves out a broken picture" goes_on unet
check "it is named and counted" eval '
    unet broken-unet --steps 1 && grep -q "^latent: note: .*p-3.png" err && grep -q "note: 1 of 12 pictures" err'
check "it is counted again when latents are there already" eval '
    unet broken-unet --steps 2 --resume && grep -q "note: 1 of 12 pictures" err'
check "recall is measured over the others" eval '
    clip broken-clip --steps 1 --validation broken && grep -q "note: left out of the held-out pairs: .*p-3.png" err &&
    grep -q "note: held-out pairs (11): recall" err'
for i in 4 5 6 7 8 9 10 11 12; do echo no >broken/p-$i.png; done
place() { grep -ao 'place[^0-9]*[0-9]*' "$1.safetensors.state" | tr -cd 0-9; } # in the stream of data
check "a batch larger than what is left, with latents and without" eval '
    unet few --steps 2 --batch 13 && grep -q "note: 10 of 12 pictures" err && pixel few-pixel --steps 2 --batch 13'
check "the order is the same" eval '[ "$(place few)" -gt 100 ] && [ "$(place few)" = "$(place few-pixel)" ]'
for i in 1 2; do echo no >broken/p-$i.png; done
check "a data set of which nothing can be read" eval '
    vae none --steps 1; [ $? -eq 1 ] && tail -n 1 err | grep -q "^latent: no picture of the data set.s 12 can be read"'
check "likewise for latents" eval '
    unet none --steps 1; [ $? -eq 1 ] && tail -n 1 err | grep -q "^latent: broken: no picture of its 12 can be read"'
data=data

# ---- Captions ----

mkdir bare && cp data/p-*.png bare && data=bare
for kind in clip unet; do
    refuse "$kind without a caption" 1 'bare: no picture has a caption' $kind none --steps 1
done
echo "a thing" >bare/p-1.caption && echo "another" >bare/p-2.txt && echo "file_name,text" >bare/metadata.csv
for kind in clip unet; do
    check "$kind says how many have none" eval "
        $kind captions-$kind --steps 1 && grep -q '^latent: note: bare: 10 of 12 pictures have no caption; bare/metadata.csv is not read' err"
done
check "a vae needs none" eval 'vae captions-vae --steps 1 && [ ! -s err ]'
data=data

# ---- Weights that are no numbers ----

# spoil FROM TO BYTES: a NaN so many bytes before the end; quant_conv.weight, [8,8,1,1], is the last of a VAE
spoil() {
    cp "$1" "$2" && printf '\000\000\300\177' | dd of="$2" bs=1 seek=$(($(wc -c <"$2") - $3)) conv=notrunc 2>/dev/null
}
check "two models with a NaN" eval '
    spoil vae.safetensors nan-vae.safetensors 256 && spoil pixel.safetensors nan.safetensors 4'
refuse "latents that are no numbers" 1 'the VAE encoder makes no finite numbers' small_unet none --vae nan-vae.safetensors \
    --text clip.safetensors
refuse "a reconstruction that is no picture" 1 'the VAE encoder makes no finite numbers' \
    latent eval -m nan-vae.safetensors --reconstruct data -q
refuse "a bound of no U-Net" 1 'the U-Net makes no finite numbers' latent eval -m nan.safetensors --bound data --timesteps 2 -q
refuse "a picture that is none" 1 'step 1 of .*: the U-Net makes no finite numbers' draw -m nan.safetensors -p "" -o no.png
check "it is not written" test ! -e no.png
refuse "a model whose weights are no numbers is not converted" 1 'tensor first_stage_model.quant_conv.weight holds a NaN' \
    "$latent" convert nan-vae.safetensors no.safetensors --type f16
check "it is not written" test ! -e no.safetensors
refuse "latents of such a VAE" 1 'the VAE encoder makes no finite numbers' \
    "$latent" encode -m nan-vae.safetensors data/p-1.png -o no.safetensors
check "they are not written" test ! -e no.safetensors
check "no half cache is left" eval '[ -z "$(find . -name "*.part")" ]'
check "a VAE and a model of pixels that are whole are measured" eval '
    "$latent" eval -m vae.safetensors --reconstruct data -q && "$latent" eval -m pixel.safetensors --bound data --timesteps 2 -q'
data=nowhere
refuse "no data" 1 nowhere vae none --steps 1
data=data

# ---- Options that make no sense ----

for list in 0 1,x 1,2, ,1 1,,2 -1 65 1,1,1,1,1,1,1,1,1; do
    refuse "--mult $list" 2 '--mult .*: numbers from 1 on' train vae none "--mult=$list"
    refuse "--attention $list" 2 '--attention .*: 0 or 1 for each of 2 levels' train unet none --mult 1,2 "--attention=$list"
done
refuse "a folder that is not there" 1 'nowhere/x.safetensors: can.t write there' vae nowhere/x
cp data/metadata.jsonl list && cp vae.safetensors input.safetensors
refuse "the data set's list as the output" 1 '--output list is there and no model' "$latent" train vae -d data -o list
refuse "a state as the output" 1 '--output vae.safetensors.state is there and no model' "$latent" train vae -d data -o vae.safetensors.state
check "a state of the default prediction goes on with that spelled out" eval '
    unet spelled --steps 1 && unet spelled --steps 2 --resume --prediction epsilon'
refuse "memory that is short, before anything is encoded" 1 'alone; there are' unet short --memory 1e-5
check "nothing was encoded" test ! -e short.safetensors.cache
refuse "the vae as the output" 1 'that is the model to begin with' small_unet input --vae input.safetensors --text clip.safetensors
refuse "validation of a vae" 1 'nothing is measured' vae none --validation data
refuse "attention of 2" 2 '0 or 1 for each' train unet none --mult 1,2 --attention 0,2
refuse "a list of nothing" 1 'metadata.jsonl lists no picture' eval 'mkdir empty && : >empty/metadata.jsonl &&
    "$latent" train vae -d empty -o none.safetensors'
refuse "groups that don't divide" 1 "16 channels can't be split into 5 groups" train vae none --width 16 --groups 5
refuse "heads that don't divide" 1 'do not make 3 heads' train unet none --width 16 --mult 1,2 --attention 0,1 --groups 4 \
    --heads 3 --space pixel --unconditional
refuse "a size that is none of this VAE's" 1 'needs a multiple of 128' train vae none --width 16 --mult 1,1,1,1,1,1,1,1
refuse "towers that are not made of heads" 1 'widths (96, 192) of 64' train clip none --text-width 96
refuse "weights that memory can't hold" 1 'needs [0-9.]* GB for weights, gradients and moments alone' vae none --memory 1e-5
refuse "activations that memory can't hold" 1 'needs [0-9.]* GB, of which .*there are 0.0034' vae none --memory 0.0034
check "a training that memory can hold" vae held --steps 1 --memory 0.2
refuse "a unet without a vae" 1 'name one with --vae' small_unet none --text clip.safetensors
refuse "a unet without a text encoder" 1 'name one with --text' small_unet none --vae vae.safetensors
refuse "a CLIP as a vae" 1 'holds no autoencoder' small_unet none --vae clip.safetensors --text clip.safetensors
refuse "going on from the wrong kind of model" 1 'nothing of what is to be trained' train clip none --init vae.safetensors
check "none of them left a file" eval '[ -z "$(ls | grep none.safetensors\$)" ]'

exit $failed
