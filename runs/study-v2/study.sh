#!/bin/bash
# The second study, step by step, on a machine that may be new. Codec by codec and quality by quality, at the commit of
# tag study-v2; `qr join` makes one version of the parts. What is finished lies beside this file and is committed.
# Start it with setsid, else the whole session gets its low priority.
#   study.sh clone NAME                 scale, factorized, joint or attn: a clone at the tag, with photographs
#   study.sh baseline NAME Q START OPTIONS...   train quality Q from START (a codec file, or ""); OPTIONS: more -c FILE
#   study.sh part NAME Q TARGETS...     all that follows from it, in a version of its own
#   study.sh keep NAME Q                the average of a training that runs, here, to start from
# Of a part, what is finished is copied by hand to VERSION/ beside this file, as in runs/VERSION; `part` puts it back.
set -e
here=$(cd "$(dirname "$0")"; pwd); main=$(cd "$here/../.."; pwd); name=$2 q=$3
case $name in
  scale) model=bmshj2018-hyperprior widths="64 192";;
  factorized) model=bmshj2018-factorized widths="64 192";;
  joint) model=mbt2018 widths="64 128";;
  attn) model=cheng2020-attn-m widths="48 128";;
  *) sed -n 2,11p "$0"; exit 1;;
esac
codec=${model}_mse_q$q; clone=/root/study/$name; baselines=$clone/runs/baselines
export PATH=$main/.venv/bin:$PATH OMP_NUM_THREADS=1
echo 19 > /proc/self/autogroup 2>/dev/null || true # nice alone counts within one session only
tier="workflow/tiers/cpu-v2.yaml"

mine() { # VERSION QUALITIES: what differs from the tier, on this machine
  echo "version: $1"
  echo "models:"
  for other in bmshj2018-factorized bmshj2018-hyperprior mbt2018 cheng2020-attn-m; do
    [ $other = $model ] && echo "  $other: {qualities: $2}" || echo "  $other: {qualities: []}"
  done
  echo "data:"
  echo "  sources:"
  echo "    photographs: {folder: /root/study/photographs}"
  echo "    bsds: {folder: /work/shared/data/validation}"
  echo "    kodak-folder: {folder: /work/shared/data/kodak}"
  # docs/decisions.md says why these differ from the tier at the tag; the tier of today has them.
  echo "engine: {precision: 32-true}"
  echo "explore: {max_epochs: 2, patience: 2, alpha: {min: 0.1}}"
  echo "predictive: {latents: computed, training: {steps: 4000}}"
}

case $1 in
clone)
  mkdir -p /root/study/photographs
  cp -rn /work/shared/data/train /work/shared/data/train-bsds /root/study/photographs/
  [ -d $clone ] || git clone -q $main $clone
  git -C $clone checkout -q 4af0707
  ;;
baseline)
  start=$4; shift 4
  cd $clone; export PYTHONPATH=$clone
  mine cpu-v2-$name "[1, 2, 3]" > mine.yaml
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
  shift 3; cd $clone; export PYTHONPATH=$clone
  version=cpu-v2-$name-q$q; file=mine-q$q.yaml; to=runs/$version/baseline/$codec
  mine $version "[$q]" > $file
  again="--cores 1 --rerun-incomplete --configfile $tier $file"
  snakemake --unlock --configfile $tier $file >/dev/null 2>&1 || true
  if [ ! -e $to/codec.safetensors ]; then
    snakemake runs/$version/data/baseline.csv $again
    mkdir -p $to; cp $here/$codec/* $to/
    [ ! -d $here/$version ] || cp -rn $here/$version/. runs/$version/ # what was kept of it, such as explore/
  fi
  exec nice -n 19 snakemake ${@:-all} $again
  ;;
keep)
  cd $clone; export PYTHONPATH=$clone
  python $here/average.py $baselines/state/$codec/state.pt $model $q $widths $here/$codec.safetensors
  ;;
esac
