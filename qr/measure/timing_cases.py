"""The cases that `qr.measure.timing` has pytest-benchmark time; not collected as tests.

The baseline's decoder runs in the setup of every round of every other variant, so that the
ratio of the two holds on a machine whose speed drifts.
"""

import json
import statistics
from functools import cached_property, partial
from pathlib import Path

import pytest
import torch

from qr.codecs import weights
from qr.codecs.latent import Latent
from qr.codecs.watch import analysed
from qr.config.plugins import load_plugins
from qr.data.images import read_image
from qr.data.manifests import read_manifest
from qr.data.tensors import to_tensor
from qr.decoders import complexity, variants
from qr.decoders.decoder import build_decoder
from qr.decoders.weights import load_decoder
from qr.device import exact, timed


class Job:
    """One codec, one image, and the decoders to compare on it."""

    def __init__(self, spec: dict):
        load_plugins(spec["plugins"])
        self.settings = spec["settings"]
        self.codec, self.codec_id = weights.load_codec(Path(spec["codec"]))
        self.codec.model.to(self.settings["device"])
        width = self.settings["width"]
        self.decoders = {
            name: build_decoder(variants.get(name), self.codec, width) for name in spec["untrained"]
        }
        for path in spec["trained"]:
            decoder, name = load_decoder(Path(path), self.codec)
            self.decoders[name] = decoder
        for decoder in self.decoders.values():
            decoder.to(self.codec.device).eval()
        self.x = self._image(Path(spec["images"]))

    def _image(self, manifest: Path) -> torch.Tensor:
        """The first test image, repeated and cut to the configured size: real statistics."""
        width, height = self.settings["image"]
        x = to_tensor(read_image(read_manifest(manifest)[0].path))
        repeats = (1, 1, -(-height // x.shape[2]), -(-width // x.shape[3]))
        x = x.repeat(repeats)[..., :height, :width]
        return self.codec.padded(x)

    @cached_property
    def encoded(self):
        return self.codec.encode(self.x, self.settings["arithmetic"])

    def entropy_decode(self) -> Latent:
        """What the strings carry."""
        encoded = self.encoded
        return self.codec.decode(encoded.strings, encoded.shape, encoded.arithmetic)

    @property
    def rounds(self) -> int:
        return self.settings["rounds"]

    def decode(self, name: str) -> torch.Tensor:
        """The whole decoder: entropy decoding, rectifier, synthesis."""
        with exact():
            return self.decoders[name](self.entropy_decode())[0]

    def describe(self, variant: str, part: str) -> dict:
        """Columns of metrics/runtime.csv besides the seconds."""
        width, height = self.settings["image"]
        decoder = self.decoders[variant]
        device = self.codec.device
        gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        return vars(self.codec_id) | {
            "variant": variant,
            "part": part,
            "device": gpu,
            "threads": torch.get_num_threads(),
            "width": width,
            "height": height,
            "ratio_to_baseline": None,
            "ratio_iqr": None,
            "parameters": complexity.parameters(decoder),
            "macs_per_pixel": complexity.macs_per_pixel(
                decoder, self.encoded.latent.fresh(), width * height
            ),
        }


_jobs: dict[str, Job] = {}


def _job(path: str) -> Job:
    if path not in _jobs:
        _jobs[path] = Job(json.loads(Path(path).read_text()))
    return _jobs[path]


@pytest.fixture
def job(request) -> Job:
    return _job(request.config.getoption("--runtime-job"))


def pytest_generate_tests(metafunc) -> None:
    """One case for each variant, in the job's order."""
    if "variant" not in metafunc.fixturenames:
        return
    names = list(_job(metafunc.config.getoption("--runtime-job")).decoders)
    if metafunc.function is test_rectifier:
        names = [n for n in names if variants.get(n).rectifier]
    metafunc.parametrize("variant", names)


def _time(benchmark, job: Job, variant: str, part: str, work) -> None:
    def synchronised():
        return timed(job.codec.device, work)[0]

    with exact():
        benchmark.pedantic(synchronised, rounds=job.rounds, warmup_rounds=2)
    benchmark.extra_info.update(job.describe(variant, part))


def test_analysis(benchmark, job):
    _time(benchmark, job, "baseline", "analysis", lambda: job.codec.model.g_a(job.x))


def test_entropy_encode(benchmark, job):
    """Encoding without g_a: hyperprior, context model and range coder."""
    arithmetic = job.encoded.arithmetic
    with analysed(job.codec.model, job.encoded.y):
        encode = partial(job.codec.encode, job.x, arithmetic)
        _time(benchmark, job, "baseline", "entropy_encode", encode)


def test_entropy_decode(benchmark, job):
    _time(benchmark, job, "baseline", "entropy_decode", job.entropy_decode)


def test_rectifier(benchmark, job, variant):
    """What it does to the latent; what it does to the picture is part of the synthesis."""
    decoder, latent = job.decoders[variant], job.encoded.latent
    _time(benchmark, job, variant, "rectifier", lambda: decoder.rectify(latent.fresh()))


def test_synthesis(benchmark, job, variant):
    decoder, latent = job.decoders[variant], job.encoded.latent
    _time(
        benchmark,
        job,
        variant,
        "synthesis",
        lambda: decoder.synthesize(latent.y_hat, latent.fresh()),
    )


def test_decode(benchmark, job, variant):
    device = job.codec.device
    baseline, own = [], []

    def time_baseline():
        baseline.append(timed(device, lambda: job.decode("baseline"))[1])

    def time_variant():
        own.append(timed(device, lambda: job.decode(variant))[1])

    job.decode(variant)
    benchmark.pedantic(time_variant, setup=time_baseline, rounds=job.rounds, warmup_rounds=1)
    ratios = [a / b for a, b in zip(own, baseline, strict=True)][1:]
    first, middle, third = statistics.quantiles(ratios, n=4, method="inclusive")
    benchmark.extra_info.update(
        job.describe(variant, "decode") | {"ratio_to_baseline": middle, "ratio_iqr": third - first}
    )
