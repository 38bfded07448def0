#!/bin/bash
# The second study, step by step, on a machine that may be new. Codec by codec and quality by quality, at the commit of
# tag study-v4; `qr join` makes one version of the parts. What is finished lies beside this file and is committed.
# Start it with setsid, else the whole session gets its low priority.
#   study.sh clone NAME                 scale, factorized, joint or attn: a clone at the tag, with photographs;
#                                       long: Scale's quality 3, decoders trained five times as long, by Scale's explorations;
#                                       points: there, four distances, and alpha from 100 on; ms-ssim: quality 2 of Factorized and Scale
#   study.sh baseline NAME Q START OPTIONS...   train quality Q from START (a codec file, or ""); OPTIONS: more -c FILE
#   study.sh part NAME TARGETS...       all that follows, in the codec's own version cpu-v2-NAME
#   study.sh keep NAME Q                the average of a training that runs, here, to start from
#   study.sh save NAME                  what is finished of the version, decoders rounded to float16, to VERSION/ beside this file; `part` puts it back
set -e
here=$(cd "$(dirname "$0")"; pwd); main=$(cd "$here/../.."; pwd); name=$2 q=${3:-}
case $name in
  scale | long | points) model=bmshj2018-hyperprior widths="64 192";;
  ms-ssim) model="bmshj2018-factorized bmshj2018-hyperprior";;
  factorized) model=bmshj2018-factorized widths="64 192";;
  joint) model=mbt2018 widths="64 128";;
  attn) model=cheng2020-attn-m widths="48 128";;
  *) sed -n 2,10p "$0"; exit 1;;
esac
codec=${model}_mse_q$q; clone=/root/study/$name; baselines=$clone/runs/baselines
export PATH=$main/.venv/bin:$PATH OMP_NUM_THREADS=1
# Memory that is kept, not given back to the system at each step: a sixth less of processor time.
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=10000000000 MALLOC_TOP_PAD_=67108864 GLIBC_TUNABLES=glibc.malloc.hugetlb=1
# Nice alone counts within one session only; a clone and a copy are started from a shell that others share.
case $1 in clone | save | keep) ;; *) echo 19 > /proc/self/autogroup 2>/dev/null || true;; esac
tier="workflow/tiers/cpu-v2.yaml"

mine() { # what differs from the tier, on this machine
  echo "version: cpu-v2-$name"
  echo "models:"
  for other in bmshj2018-factorized bmshj2018-hyperprior mbt2018 cheng2020-attn-m; do
    case " $model " in *" $other "*) ;; *) echo "  $other: {qualities: []}";; esac
  done
  case $name in
  long)
    echo "  $model: {qualities: [3]}"
    echo "extra: [{variants: [synthesis-wide, qr-tapped]}]"
    echo "predictive: {training: {steps: 20000}}";;
  points)
    echo "  $model: {qualities: [3]}"
    echo "extra: [{variants: [qr-l2, qr-l1, qr-smooth-l1, qr-cosine]}]"
    echo "explore: {strategy: sweep, variants: [qr], alpha: {start: 100.0}, learning_rates: [5.0e-4]}"
    echo "statistics: {endpoint: {variant: qr, over: [decoder]}}";;
  ms-ssim)
    for one in $model; do echo "  $one: {qualities: [2]}"; done
    echo "metrics: [ms-ssim]"
    echo "extra: [{variants: [synthesis-wide, qr-tapped]}]"
    echo "explore: {qualities: [2], variants: [qr], learning_rates: [5.0e-4]}";;
  esac
  echo "data:"
  echo "  sources:"
  echo "    photographs: {folder: /root/study/photographs}"
  echo "    bsds: {folder: /work/shared/data/validation}"
  echo "    kodak-folder: {folder: /work/shared/data/kodak}"
}

case $1 in
clone)
  mkdir -p /root/study/photographs
  cp -rn /work/shared/data/train /work/shared/data/train-bsds /root/study/photographs/
  [ -d $clone ] || git clone -q $main $clone
  git -C $clone fetch -q; git -C $clone checkout -q 6ab16a2
  ;;
baseline)
  start=$4; shift 4
  cd $clone; export PYTHONPATH=$clone
  mine > mine.yaml
  out=$baselines/baseline/$codec
  [ -e $baselines/data/baseline.csv ] || python -m qr data -c config.yaml -c $tier -c mine.yaml --out $baselines/data --downloads runs/downloads
  nice -n 19 python -m qr train baseline -c config.yaml -c $tier -c mine.yaml "$@" --codec $codec \
    --data $baselines/data --state $baselines/state/$codec ${start:+--start $start} \
    --out $out/codec.safetensors --log $out/log.csv
  cd $main; unset PYTHONPATH; rm -rf $baselines/half/soft/$codec; mkdir -p $here/$codec
  python -m qr halve $baselines --codec $codec --out $baselines/half
  cp $baselines/half/soft/$codec/codec.safetensors $out/log.csv $here/$codec/
  rm -f $here/$codec.safetensors
  ;;
part)
  shift 2; cd $clone; export PYTHONPATH=$clone
  file=part.yaml; run=runs/cpu-v2-$name
  mine > $file
  again="--cores 1 --nolock --rerun-incomplete --configfile $tier $file"
  [ -e $run/data/baseline.csv ] || snakemake $run/data/baseline.csv $again
  for codec in $(for m in $model; do for q in 1 2 3; do echo ${m}_mse_q$q; done; done); do
    if [ -e $here/$codec/codec.safetensors ] && [ ! -e $run/baseline/$codec/codec.safetensors ]; then
      mkdir -p $run/baseline/$codec; cp $here/$codec/* $run/baseline/$codec/
      # One date for all, not before that of the data: what is older than what it is made of is trained again.
      touch -r $run/data/baseline.csv $run/baseline/$codec/*
    fi
  done
  [ ! -d $here/cpu-v2-$name ] || cp -rn $here/cpu-v2-$name/. $run/
  [ $name != long ] || cp -rn $here/cpu-v2-scale/explore $run/
  exec nice -n 19 snakemake ${@:-all} $again
  ;;
save)
  python $here/half.py $clone/runs/cpu-v2-$name
  cd $clone/runs/cpu-v2-$name
  for folder in explore predictive; do
    [ ! -d $folder ] || { mkdir -p $here/cpu-v2-$name; cp -r $folder $here/cpu-v2-$name/; }
  done
  rm -f $here/cpu-v2-$name/predictive/*/qr_s*/decoder.safetensors # 12 MB each: rather trained again
  ;;
keep)
  cd $clone; export PYTHONPATH=$clone
  python $here/average.py $baselines/state/$codec/state.pt $model $q $widths $here/$codec.safetensors
  ;;
esac
