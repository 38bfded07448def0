#!/bin/bash
# queue.sh NAME MODEL: a worker, one a core; takes a quality and a seed, in order, that nobody has taken.
# It waits for the explorations, then for the codec. Clear /root/study/taken before workers are started anew.
here=$(cd "$(dirname "$0")"; pwd); taken=/root/study/taken
explored=/root/study/$1/runs/cpu-v2-$1/explore/${2}_mse_q3
mkdir -p $taken
for variant in decoder qr qr-tapped synthesis-wide; do
  while [ ! -e $explored/$variant.csv ]; do sleep 10; done
done
for job in 3_0 2_0 1_0 3_1 2_1 1_1 3_2 2_2 1_2; do
  mkdir $taken/$job 2>/dev/null || continue
  while [ ! -e $here/${2}_mse_q${job%_*}/codec.safetensors ]; do sleep 10; done
  echo "== $(date +%T) $job"
  $here/decoders.sh $1 $2 ${job%_*} ${job#*_} || exit 1
  echo "== $(date +%T) $job done"
done
