#!/bin/bash
# decoders.sh NAME MODEL Q SEED...: trainings of some seeds at a quality; what codes and measures comes with `part NAME all`
c=${2}_mse_q$3; p=runs/cpu-v2-$1/predictive/$c; here=$(cd "$(dirname "$0")"; pwd); name=$1; shift 3
for seed; do
  t=""; variants="decoder synthesis-wide qr-tapped"
  [ $seed = 0 ] && variants="$variants qr qr-tapped-lite decoder-noisy ceiling"
  for v in $variants; do t="$t $p/${v}_s$seed/decoder.safetensors"; done
  "$here/study.sh" part $name $t || exit 1
done
