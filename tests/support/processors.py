"""Coding on one kind of processor what another decodes.

`python -m support.processors encode FOLDER KIND` in tests/ writes a file of every family into
FOLDER/KIND, and what its h_s computes; `... decode FOLDER` decodes all files, with one to five
threads, and prints as JSON the latent of each, rounded to what no processor disagrees on.
"""

import hashlib
import json
import sys
from itertools import cycle
from pathlib import Path

import numpy as np
import torch

from qr.codecs import weights
from qr.codecs.catalogue import FLOAT64, CodecId
from qr.codecs.entropy.arithmetic import chosen
from qr.coding import code
from qr.coding.bitstream import Bitstream
from qr.device import exact
from support.codecs import MODELS, WIDTHS, make_codec
from support.photographs import picture

SIZE = 128, 192


def encode(folder: Path, kind: str) -> None:
    for model in MODELS:
        path = folder / f"{model}.safetensors"
        codec_id = CodecId(model, "mse", 1)
        if not path.exists():  # the weights are one processor's, the files each one's own
            N, M = WIDTHS[model]
            weights.save_codec(path, make_codec(model), codec_id, {"N": N, "M": M})
        codec, _ = weights.load_codec(path)
        coded = code.encode(codec, codec_id, weights.codec_digest(codec), picture(*SIZE))
        (folder / kind).mkdir(exist_ok=True)
        (folder / kind / f"{model}.qrc").write_bytes(coded.to_bytes())
        if hasattr(codec.model, "h_s"):
            np.save(folder / kind / f"{model}.npy", hyper(codec))


def hyper(codec):
    """What h_s makes of some z, in float64."""
    channels = codec.model.entropy_bottleneck.channels
    z = np.random.default_rng(0).integers(-6, 7, (1, channels, 24, 24)).astype(np.float64)
    with exact(), chosen(codec.model, FLOAT64):
        return codec.model.h_s(torch.from_numpy(z)).numpy()


def decode(folder: Path) -> None:
    found = {}
    threads = cycle(range(1, 6))
    for path in sorted(folder.glob("*/*.qrc")):
        torch.set_num_threads(next(threads))
        codec, _ = weights.load_codec(folder / f"{path.stem}.safetensors")
        bitstream = Bitstream.from_bytes(path.read_bytes())
        latent = code.decode(codec, weights.codec_digest(codec), bitstream, SIZE, path)
        coarse = (64 * latent.y_hat).round().int().numpy().tobytes()
        found[f"{path.parent.name}/{path.stem}"] = hashlib.sha256(coarse).hexdigest()
    print(json.dumps({"decoded": found}))


if __name__ == "__main__":
    step, place, *others = sys.argv[1:]
    {"encode": encode, "decode": decode}[step](Path(place), *others)
