"""The average of a training's weights as a codec that float16 holds: STATE MODEL QUALITY N M OUT"""

import io
import sys
from pathlib import Path

import torch

from qr.codecs.catalogue import CodecId
from qr.codecs.registry import build_codec
from qr.codecs.weights import save_tensors

state, model, quality, N, M, out = sys.argv[1:]
saved = torch.load(io.BytesIO(Path(state).read_bytes()[32:]), weights_only=True)["state"]
codec = build_codec(model, int(quality), int(N), int(M)).model
average = {k.removeprefix("model."): v.half().float() for k, v in saved["average"].items()}
codec.load_state_dict(codec.state_dict() | average)
codec.update(force=True)
tensors = {k: t.half() if k in average else t for k, t in codec.state_dict().items()}
codec_id = CodecId(model, "mse", int(quality))
save_tensors(Path(out), tensors, vars(codec_id) | {"N": int(N), "M": int(M)})
print(f"{out}: step {saved['progress']['step']}")
