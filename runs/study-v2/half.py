"""half.py RUN: round the finished decoders of a run to float16, as its codecs were; measured are the rounded ones."""

import os
import sys
from pathlib import Path

import torch
from qr.archive.half import _compact, _metadata, _round
from qr.codecs.weights import load_codec, read_tensors, save_tensors
from qr.decoders.weights import load_decoder

run = Path(sys.argv[1])
for path in sorted(run.glob("predictive/*/*/decoder.safetensors")):
    if any(t.dtype == torch.float16 for t in read_tensors(path)[0].values()):
        continue
    codec, _ = load_codec(run / "baseline" / path.parts[-3] / "codec.safetensors")
    decoder, _ = load_decoder(path, codec)
    before = path.stat()
    _round(decoder, path)
    save_tensors(path, _compact(decoder.state_dict()), _metadata(path))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # it is as old as its training
