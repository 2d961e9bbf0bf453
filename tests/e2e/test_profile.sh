#!/bin/sh
# --profile: the table behind the work, and the trace, read by another program than the one that wrote it.
# usage: test_profile.sh LATENT TRACE
set -u
. "$(dirname "$0")/checks.sh"
latent=$(realpath "$1") trace=$(realpath "$2")
enter
"$latent" convert --synthetic tiny tiny.safetensors
drawn="-m tiny.safetensors -p x --seed 1 -W 64 -H 64 --steps 2"

draws() { "$latent" txt2img $drawn -o "$@" >out 2>err; }
has_table() { # on standard error: rows of numbers, the sum, the limit
    grep -q "^operation .* GFLOP/s .* GB/s" err && grep -q "^attention .* [0-9]*\.[0-9]" err &&
        [ "$(grep -c "^conv " err)" -ge 1 ] && grep -q "^all .* 100\.0 " err && grep -q "^limit: " err
}
# the runs and the seconds of the rows are those of their sum, but for rounding
adds_up() {
    awk '/^operation/ { on = 1; next } /^limit/ { on = 0 }
        on { at = 0; for (i = 1; i <= NF && !at; i++) if ($i ~ /^[0-9]+$/ && $(i + 1) ~ /^[0-9]+\.[0-9]+$/) at = i
             if ($1 == "all") { runs = $at; time = $(at + 1) } else { r += $at; t += $(at + 1); n++ } }
        END { d = t - time; exit !(r == runs && r > 100 && (d < 0 ? -d : d) <= 0.0006 * (n + 1)) }' err
}

check "a drawing without it says nothing" eval 'draws plain.png -q && ! grep -q "^operation\|^limit" err'
check "with it, a table" eval 'draws told.png -q --profile && has_table'
check "whose rows add up" adds_up
check "the picture is the same" cmp plain.png told.png
check "a trace" eval 'draws traced.png -q --profile=trace.json && has_table && [ ! -e trace.json.part ]'
check "is one that a browser reads" "$trace" trace.json
check "encode, run and bench have it" eval '
    "$latent" encode -m tiny.safetensors plain.png -o z.safetensors --profile 2>err && has_table &&
    "$latent" decode -m tiny.safetensors z.safetensors -o z.png --profile 2>err && has_table &&
    "$latent" bench -m tiny.safetensors -W 64 -H 64 --runs 1 --profile >out 2>err && has_table'
check "plain C has no limit" eval 'draws plain.png -q --isa scalar --profile && grep -q "^limit: not to be told here" err'
refuse "a trace that can't be written" 1 "nowhere/t.json: " latent txt2img $drawn -q -o not.png --profile=nowhere/t.json
check "before anything is drawn" eval '[ ! -e not.png ]'
refuse "a trace without a name" 2 "profile: an empty text names no file" latent txt2img $drawn -q -o not.png --profile=
exit $failed
