"""Which jobs a configuration asks for, and what each one needs from the others.

The workflow's rules ask here instead of computing: this is plain Python, tested without
Snakemake, and imports no torch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qr.codecs.catalogue import CodecId, widths
from qr.config.search import explored_qualities, nearest
from qr.decoders import variants
from qr.decoders.variants import Variant

TRAINING = ("baseline", "explore", "soft", "predictive")  # steps
CODING = ("encode", "decode", "runtime", "pictures")


def matches(extra: Mapping[str, Any], codec: CodecId) -> bool:
    """Whether an entry of `extra` is about `codec`; a field that is left out is about all."""
    fields = {"models": codec.model, "metrics": codec.metric, "qualities": codec.quality}
    return all(value in extra[key] for key, value in fields.items() if key in extra)


def codecs(config: Mapping[str, Any]) -> Iterator[CodecId]:
    """All codecs of the grid, model by model, metric by metric, lowest rate first."""
    for model, settings in config["models"].items():
        for metric in config["metrics"]:
            for quality in sorted(settings["qualities"]):
                yield CodecId(model, metric, quality)


def all_variants(config: Mapping[str, Any]) -> list[str]:
    """Every decoder variant of the run, also those of some codecs only."""
    extra = [name for extra in config["extra"] for name in extra["variants"]]
    return list(dict.fromkeys([*config["variants"], *extra]))


@dataclass(frozen=True)
class Job:
    """One job of the workflow: a rule and its wildcards, None for those that it has not."""

    step: str
    codec: CodecId | None = None
    variant: str | None = None
    seed: int | None = None
    stage: str | None = None

    @classmethod
    def of(cls, step: str, wildcards: Mapping[str, str]) -> "Job":
        """The job of a rule, as far as what it needs depends on its wildcards."""
        codec = wildcards.get("codec")
        return cls(
            step,
            CodecId.parse(codec) if codec else None,
            wildcards.get("variant"),
            stage=wildcards.get("stage"),
        )

    @property
    def name(self) -> str:
        """What its files under runs/<version>/ are called, with neither folder nor suffix."""
        if self.codec is None:
            return self.step
        seed = "" if self.seed is None else f"_s{self.seed}"
        variant = None if self.variant is None else self.variant + seed
        return "/".join(str(part) for part in (self.stage, self.codec, variant) if part)


class Grid:
    """The grid of codecs, decoder variants and seeds of one configuration."""

    def __init__(self, config: Mapping[str, Any]):
        self.config = config
        self.codecs = list(codecs(config))

    @property
    def joint(self) -> bool:
        """Whether the soft phase trains the codec too, so that its bits change."""
        return self.config["soft"]["codec"] == "joint"

    @property
    def fetched(self) -> bool:
        """Whether baselines are downloaded instead of trained: where the network is, and no GPU."""
        return self.config["baseline"]["source"] == "zoo"

    @property
    def seeds(self) -> list[int]:
        """Every seed of the run, also those of some trainings only."""
        extra = [seed for extra in self.config["extra"] for seed in extra.get("seeds", ())]
        return list(dict.fromkeys([*self.config["seeds"], *extra]))

    def plain(self, codec: CodecId) -> bool:
        """Whether a codec is only compared with: nothing of the paper is done with it."""
        return self.config["models"][codec.model].get("plain", False)

    @property
    def studied(self) -> list[CodecId]:
        """The codecs that the paper's phases are for."""
        return [codec for codec in self.codecs if not self.plain(codec)]

    def devices(self, step: str) -> tuple[int, int]:
        """GPUs and threads of one job; one thread computes, the others decode training images."""
        engine = self.config["engine"]
        if step == "baseline" and self.fetched:
            return 0, 1
        if step in TRAINING:
            gpus = 0 if engine["accelerator"] == "cpu" else engine["devices"]
            return gpus, 1 + engine["workers"]
        return int(step in CODING and engine["coding"] == "cuda"), 1

    def trained(self, codec: CodecId) -> list[tuple[str, int]]:
        """Variants that the predictive phase of `codec` trains, each with its seeds."""
        if self.plain(codec):
            return []
        everywhere = {"variants": self.config["variants"]}
        wanted = {
            (name, seed)
            for part in (everywhere, *self.config["extra"])
            if matches(part, codec)
            for name in part["variants"]
            for seed in part.get("seeds", self.config["seeds"])
        }
        names = [name for name in all_variants(self.config) if variants.get(name).trains]
        return [(n, seed) for n in names for seed in self.seeds if (n, seed) in wanted]

    def untrained(self, codec: CodecId, stage: str) -> list[str]:
        """Variants without training that decode the bitstreams of `stage`.

        With a frozen codec, 'original' is the codec after the soft phase as well, and reads
        the same bitstreams.
        """
        if self.plain(codec):
            return ["baseline"]
        names = [name for name in self.config["variants"] if not variants.get(name).trains]
        if self.joint:
            return [name for name in names if variants.get(name).codec == stage]
        return names if stage == "soft" else []

    def stages(self, codec: CodecId) -> list[str]:
        """Codecs whose bitstreams are made: after the soft phase, and before if it differs."""
        if self.plain(codec):
            return ["original"]
        return [
            stage
            for stage in ("original", "soft")
            if stage == "soft" or self.untrained(codec, stage)
        ]

    def qualities(self, model: str) -> list[int]:
        """Qualities of `model`, lowest rate first."""
        return sorted(self.config["models"][model]["qualities"])

    def start(self, codec: CodecId) -> CodecId | None:
        """The codec that training of `codec` starts from; None: from random weights."""
        if self.fetched:
            return None
        if codec.metric == "ms-ssim":
            return CodecId(codec.model, "mse", codec.quality)
        if self.config["baseline"]["warm_start"] is None:
            return None
        higher = [q for q in self.qualities(codec.model) if q > codec.quality]
        others = [replace(codec, quality=quality) for quality in higher]
        return next((other for other in others if self.widths(other) == self.widths(codec)), None)

    def widths(self, codec: CodecId) -> tuple[int | None, int | None]:
        """N and M; None for a codec that chooses itself."""
        model = self.config["models"][codec.model]
        return widths(codec.model, codec.quality, model.get("N"), model.get("M"))

    def explorations(self) -> list[tuple[CodecId, str]]:
        """Codecs and variants whose learning parameter is explored: mse models only."""
        return [
            (CodecId(model, "mse", quality), variant)
            for model in dict.fromkeys(codec.model for codec in self.studied)
            for quality in self._explored(model)
            for variant in self.config["explore"]["variants"]
        ]

    def exploration(self, codec: CodecId, variant: str) -> tuple[CodecId, str]:
        """The exploration whose choice `variant` of `codec` takes."""
        explored = self.config["explore"]["variants"]
        quality = nearest(codec.quality, self._explored(codec.model))
        if variant not in explored:
            variant = _most_alike(variants.get(variant), explored)
        return CodecId(codec.model, "mse", quality), variant

    def run_by_exploration(self, variant: str) -> list[str]:
        """Variants whose code runs in an exploration of `variant`.

        A joint soft phase trains the codec together with the paper's rectifier.
        """
        return list(dict.fromkeys([variant, variants.SOFT_RECTIFIER] if self.joint else [variant]))

    def _explored(self, model: str) -> list[int]:
        return explored_qualities(self.config["explore"]["qualities"], self.qualities(model))

    def needed(self) -> list[CodecId]:
        """Codecs whose baseline is needed: those of the grid, and what they start from."""
        found = dict.fromkeys(self.codecs)
        found |= dict.fromkeys(codec for codec, _ in self.explorations())
        pending = list(found)
        while pending:
            start = self.start(pending.pop())
            if start is not None and start not in found:
                found[start] = None
                pending.append(start)
        return list(found)

    def jobs(self) -> Iterator[Job]:
        """Every job that computes, left to right."""
        yield Job("data")
        for codec in self.needed():
            yield Job("baseline", codec)
        for codec, variant in self.explorations():
            yield Job("explore", codec, variant)
        for codec in self.studied:
            yield Job("soft", codec)
            for variant, seed in self.trained(codec):
                yield Job("predictive", codec, variant, seed)
        for codec in self.codecs:
            for stage in self.stages(codec):
                yield Job("encode", codec, stage=stage)
                yield Job("decode", codec, stage=stage)
        for codec in self.timed():
            yield Job("runtime", codec)
        yield Job("anchors")

    def first_seeds(self, codec: CodecId) -> list[tuple[str, int]]:
        """Trained variants of `codec`, of one seed each."""
        first: dict[str, int] = {}
        for name, seed in self.trained(codec):
            first.setdefault(name, seed)
        return list(first.items())

    def pictured(self, codec: CodecId) -> list[tuple[str, int]]:
        """Trained variants that the report's viewer shows beside the baseline, of one seed each.

        Ablations that only `extra` asks for would crowd it.
        """
        shown = self.config["variants"]
        return [(name, seed) for name, seed in self.first_seeds(codec) if name in shown]

    def timed(self) -> list[CodecId]:
        """One codec per model, at the configured quality and metric or the nearest to it."""
        wanted = self.config["runtime"]
        found = []
        for model in dict.fromkeys(codec.model for codec in self.codecs):
            metric = wanted["metric"]
            metric = metric if metric in self.config["metrics"] else self.config["metrics"][0]
            quality = nearest(wanted["quality"], self.qualities(model))
            found.append(CodecId(model, metric, quality))
        return found


def _most_alike(variant: Variant, explored: Sequence[str]) -> str:
    """Of the explored variants one with the same rectifier, or the same kind of loss, or "qr"."""
    if "rectifier" not in variant.trains:
        return "decoder" if "decoder" in explored else "qr"
    kind = [v for v in map(variants.get, explored) if "rectifier" in v.trains]
    same = [v.name for v in kind if v.rectifier == variant.rectifier]
    alike = [v.name for v in kind if v.guided == variant.guided]
    return next(iter([*same, *alike]), "qr")
