#!/bin/bash
# decoders.sh NAME MODEL Q SEED...: trainings of some seeds at a quality; what codes and measures comes with `part NAME all`
c=${2}_mse_q$3; run=runs/cpu-v2-$1; here=$(cd "$(dirname "$0")"; pwd); name=$1; shift 3
# The soft phase is not kept outside of a machine. Made anew, it is what it was, and no decoder is older than it.
"$here/study.sh" part $name $run/soft/$c/rectifier.safetensors || exit 1
touch -c /root/study/$name/$run/predictive/$c/*/*
for seed; do
  t=""; variants="decoder synthesis-wide qr-tapped"
  [ $seed = 0 ] && variants="$variants qr qr-tapped-lite decoder-noisy ceiling"
  for v in $variants; do t="$t $run/predictive/$c/${v}_s$seed/decoder.safetensors"; done
  "$here/study.sh" part $name $t || exit 1
done
