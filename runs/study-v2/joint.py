"""A Joint codec to start from, with a Scale codec's transforms: SCALE M PHOTOGRAPHS OUT

Of Scale's latent channels it takes the M with the most bits. The context model and what reads it are new.
"""

import sys
from pathlib import Path

import torch
from torchvision.transforms.functional import to_tensor

from qr.codecs.catalogue import CodecId
from qr.codecs.registry import build_codec
from qr.codecs.weights import load_codec, save_codec
from qr.data.images import read_image

scale, M, photographs, out = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
codec, codec_id = load_codec(scale)
N = codec.model.N


@torch.no_grad()
def bits(path: Path) -> torch.Tensor:
    x = to_tensor(read_image(path))[None]
    x = x[..., : x.shape[2] // 64 * 64, : x.shape[3] // 64 * 64]
    return -codec.model(x)["likelihoods"]["y"].log2().sum((0, 2, 3))


total = sum(bits(path) for path in sorted(photographs.iterdir())[:24])
kept = total.topk(M).indices.sort().values
print(f"{M} of {len(total)} channels have {float(total[kept].sum() / total.sum()):.4f} of the bits")

torch.manual_seed(0)
joint = build_codec("mbt2018", codec_id.quality, N, M)
state, given = joint.model.state_dict(), codec.model.state_dict()
for name in ("g_a.6.weight", "g_a.6.bias", "g_s.0.weight"):  # transposed: g_s.0 has its inputs first
    given[name] = given[name][kept]
given["h_a.0.weight"] = given["h_a.0.weight"][:, kept]
taken = {k: v for k, v in given.items() if k.split(".")[0] in ("g_a", "g_s", "h_a", "entropy_bottleneck")}
joint.model.load_state_dict(state | taken)
joint.model.update(force=True)
save_codec(out, joint, CodecId("mbt2018", "mse", codec_id.quality), {"N": N, "M": M})
