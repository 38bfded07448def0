"""Memory of decoding a large photograph: attention must not be quadratic in it."""

import subprocess
import sys

DECODE = """
import resource, torch
from qr.codecs.registry import build_codec
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.device import exact

torch.manual_seed(0)
codec = build_codec("bmshj2018-hyperprior", 1, 64, 96)
decoder = build_decoder(variants.get("qr"), codec, 128).eval()
with exact():
    _, latent = codec.latent(torch.rand(1, 3, 3008, 4032))
    x_hat, _ = decoder(latent)
assert x_hat.shape == (1, 3, 3008, 4032)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


def test_a_4000_by_3000_image_decodes_in_six_gib(benchmark):
    """Peak of the whole process, in GiB, with N=64, M=96, W=128."""

    def decode() -> float:
        done = subprocess.run(
            [sys.executable, "-c", DECODE], capture_output=True, text=True, check=True
        )
        return float(done.stdout)

    peak = benchmark.pedantic(decode, rounds=1)
    benchmark.extra_info["peak_gib"] = peak
    assert peak < 6
