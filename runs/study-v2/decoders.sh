#!/bin/bash
# decoders.sh NAME MODEL Q SEED...: the trainings of a part's seeds; anchors and coding come with `all`
p=runs/cpu-v2-$1-q$3; c=${2}_mse_q$3; s=$(cd "$(dirname "$0")"; pwd)/study.sh; name=$1 q=$3; shift 3
for seed; do
  t=""; for v in decoder synthesis-wide qr-tapped qr; do t="$t $p/predictive/$c/${v}_s$seed/decoder.safetensors"; done
  [ $seed = 0 ] && for v in decoder-noisy qr-tapped-lite ceiling; do t="$t $p/predictive/$c/${v}_s0/decoder.safetensors"; done
  $s part $name $q $t || exit 1
done
