"""The codecs that the configuration may name, without importing torch.

The workflow reads this while it builds its graph, where seconds of import time
would be paid by every job.
"""

from dataclasses import dataclass

from qr.errors import ConfigError


@dataclass(frozen=True)
class CodecId:
    """One trained codec of the grid; its text form names folders under runs/."""

    model: str
    metric: str
    quality: int

    def __str__(self) -> str:
        return f"{self.model}_{self.metric}_q{self.quality}"

    @classmethod
    def parse(cls, text: str) -> "CodecId":
        """The inverse of str(); raises ConfigError if `text` names no codec."""
        try:
            model, metric, quality = text.rsplit("_", 2)
            codec_id = cls(model, metric, int(quality.removeprefix("q")))
        except ValueError as error:
            way_out = "an example: mbt2018_mse_q3"
            if text.endswith((".pth", ".pth.tar", ".pt")):
                way_out = "of a checkpoint of CompressAI's, `qr import` makes one of ours"
            raise ConfigError(f"{text!r} names no codec; {way_out}") from error
        model_info(codec_id.model)
        lmbda(codec_id.metric, codec_id.quality)
        return codec_id


METRICS = ("mse", "ms-ssim")

# What chooses the entropy coder's tables computes in one of these (`qr.codecs.entropy.arithmetic`).
FLOAT64 = "float64"  # files decode on any processor
FLOAT32 = "float32"  # CompressAI's own: surely where they were made, and perhaps elsewhere
ARITHMETICS = (FLOAT32, FLOAT64)

_Pair = tuple[int | None, int | None]

# CompressAI, compressai/zoo: N and M up to a quality, and above it.
_WIDTHS: dict[str, tuple[_Pair, int, _Pair]] = {
    "bmshj2018-factorized": ((128, 192), 5, (192, 320)),
    "bmshj2018-hyperprior": ((128, 192), 5, (192, 320)),
    "mbt2018-mean": ((128, 192), 4, (192, 320)),
    "mbt2018": ((192, 192), 4, (192, 320)),
    "cheng2020-anchor": ((128, None), 3, (192, None)),
    "cheng2020-attn": ((128, None), 3, (192, None)),
    "cheng2020-attn-m": ((128, 192), 3, (192, 320)),  # ours, as wide as Joint's latent
    "elic2022-official": ((192, 320), 8, (192, 320)),
    "elic2022-chandelier": ((192, 320), 8, (192, 320)),
    "bmshj2018-hyperprior-vbr": ((192, 320), 8, (192, 320)),
    "mbt2018-mean-vbr": ((192, 320), 8, (192, 320)),
    "mbt2018-vbr": ((192, 320), 8, (192, 320)),
}

# CompressAI, docs/source/zoo.rst: one value per quality, lowest rate first.
LMBDA = {
    "mse": (0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483, 0.0932, 0.1800),
    "ms-ssim": (2.40, 4.58, 8.73, 16.64, 31.73, 60.50, 115.37, 220.00),
}


@dataclass(frozen=True)
class ModelInfo:
    """A codec's id, its short name in legends and tables, and how many qualities it has."""

    name: str
    label: str
    qualities: int = 8


_MODELS = {
    info.name: info
    for info in (
        ModelInfo("bmshj2018-factorized", "Factorized"),
        ModelInfo("bmshj2018-hyperprior", "Scale"),
        ModelInfo("mbt2018-mean", "Mean"),
        ModelInfo("mbt2018", "Joint"),
        ModelInfo("cheng2020-anchor", "Anchor", 6),
        ModelInfo("cheng2020-attn", "Attn", 6),
        ModelInfo("cheng2020-attn-m", "Attn, own M", 6),
        ModelInfo("elic2022-official", "ELIC"),
        ModelInfo("elic2022-chandelier", "ELIC, Chandelier"),
        ModelInfo("bmshj2018-hyperprior-vbr", "Scale, variable rate"),
        ModelInfo("mbt2018-mean-vbr", "Mean, variable rate"),
        ModelInfo("mbt2018-vbr", "Joint, variable rate"),
    )
}


def register_model(name: str, label: str, qualities: int = 8) -> None:
    """Make a codec of your own known to the configuration; `qualities` is at most 8."""
    _MODELS[name] = ModelInfo(name, label, qualities)


def model_info(name: str) -> ModelInfo:
    """Look a codec up; raises ConfigError that lists the known ones."""
    if name not in _MODELS:
        raise ConfigError(f"unknown model {name!r}; known are: {', '.join(_MODELS)}")
    return _MODELS[name]


def label(name: str) -> str:
    """The short name for legends and tables, such as 'Joint' for 'mbt2018'.

    It is the id itself where the codec is not registered: results are redrawn from CSV files
    alone, without a user's plugins.
    """
    return _MODELS[name].label if name in _MODELS else name


def widths(
    model: str, quality: int, N: int | None = None, M: int | None = None
) -> tuple[int | None, int | None]:
    """N and M that a codec is built with: those given, else the zoo's, else None.

    >>> widths("mbt2018", 5), widths("mbt2018", 5, N=64)
    ((192, 320), (64, 320))
    """
    narrow, highest, wide = _WIDTHS.get(model, ((None, None), 8, (None, None)))
    zoo = narrow if quality <= highest else wide
    return N or zoo[0], M or zoo[1]


def lmbda(metric: str, quality: int) -> float:
    """The rate-distortion trade-off of `metric` ('mse' or 'ms-ssim') at `quality` (from 1)."""
    if metric not in LMBDA:
        raise ConfigError(f"unknown metric {metric!r}; known are: {', '.join(LMBDA)}")
    if not 1 <= quality <= len(LMBDA[metric]):
        raise ConfigError(f"quality {quality} is out of range: 1 to {len(LMBDA[metric])}")
    return LMBDA[metric][quality - 1]
