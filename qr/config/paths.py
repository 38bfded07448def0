"""Where a run keeps what, below `runs/<version>/`; which of it each job reads. Free of torch."""

from collections.abc import Sequence
from pathlib import Path

from qr.codecs.catalogue import CodecId
from qr.config.grid import Grid
from qr.config.load import plugins_of
from qr.config.plugins import load_plugins as load_these
from qr.errors import CheckpointError

# The codec that comes with the package, laid out like a run; its README.md says what it is.
BOX = Path(__file__).parents[1] / "resources" / "codec"
CONFIG = "config.yaml"  # of a run, in its folder
PICTURES = "pictures.json"  # of a codec, beside its pictures: which is which


class Files:
    """Which files the jobs of a run read, and how commands name them.

    Codecs are given as text, as the workflow's wildcards hold them.

    Args:
        run: runs/<version>.
    """

    def __init__(self, grid: Grid, run: str):
        self.grid, self.run = grid, run

    def baseline(self, codec: CodecId | str) -> str:
        """The checkpoint of a codec before the soft phase."""
        return f"{self.run}/baseline/{codec}/codec.safetensors"

    def start(self, codec: str) -> list[str]:
        """The checkpoint that the training of a baseline starts from, if there is one."""
        start = self.grid.start(CodecId.parse(codec))
        return [self.baseline(start)] if start else []

    def checkpoint(self, stage: str, codec: str) -> str:
        """The codec whose bitstreams a stage makes."""
        folder = "baseline" if stage == "original" else "soft"
        return f"{self.run}/{folder}/{codec}/codec.safetensors"

    def final(self, codec: str) -> str:
        """The codec that all of its decoders read the files of."""
        return self.checkpoint(self._last_stage(codec), codec)

    def bitstreams(self, codec: str) -> str:
        """The folder of those files."""
        return f"{self.run}/encode/{self._last_stage(codec)}/{codec}/bitstreams"

    def _last_stage(self, codec: str) -> str:
        return self.grid.stages(_id(codec))[-1]

    def exploration(self, codec: str, variant: str) -> str:
        """The exploration whose choice a variant takes."""
        source, explored = self.grid.exploration(CodecId.parse(codec), variant)
        return f"{self.run}/explore/{source}/{explored}.csv"

    def decoders(self, codec: CodecId | str) -> list[str]:
        """Weights of all trained variants, seed by seed."""
        return self._weights(codec, self.grid.trained(_id(codec)))

    def timed(self, codec: str) -> list[str]:
        """Weights of the variants that are timed, of one seed each: any take as long."""
        return self._weights(codec, self.grid.first_seeds(_id(codec)))

    def pictured(self, codec: str) -> list[str]:
        """Weights of the trained variants that the report's viewer shows."""
        return self._weights(codec, self.grid.pictured(_id(codec)))

    def _weights(self, codec: CodecId | str, trained: Sequence[tuple[str, int]]) -> list[str]:
        folder = f"{self.run}/predictive/{codec}"
        return [f"{folder}/{name}_s{seed}/decoder.safetensors" for name, seed in trained]

    def decode_options(self, codec: str, stage: str, decoders: Sequence[str]) -> str:
        """The variants of a stage as options of `qr decode`.

        Args:
            decoders: `decoders`, perhaps where an executor put them.
        """
        names = [f"--variant {name}" for name in self.grid.untrained(_id(codec), stage)]
        trained = self.grid.trained(_id(codec)) if stage == "soft" else []
        return " ".join(names + _trained_options(trained, decoders))

    def picture_options(self, codec: str, decoders: Sequence[str]) -> str:
        """The same of `qr pictures`; `decoders` are `pictured`."""
        pictured = self.grid.pictured(CodecId.parse(codec))
        return " ".join(["--variant baseline", *_trained_options(pictured, decoders)])

    def timing_options(self, codec: str, decoders: Sequence[str]) -> str:
        """The same of `qr runtime`; `decoders` are `timed`."""
        decodable = self.grid.untrained(_id(codec), self._last_stage(codec))
        untrained = [name for name in decodable if name != "original"]
        names = [f"--variant {name}" for name in untrained]
        return " ".join(names + [f"--trained {path}" for path in decoders])

    def parts(self) -> dict[str, list[str]]:
        """The CSVs of single jobs that each table of the metrics is joined from."""
        grid, run = self.grid, self.run
        return {
            "images": [
                f"{run}/decode/{stage}/{codec}.csv"
                for codec in grid.codecs
                for stage in grid.stages(codec)
            ],
            "exploration": [
                f"{run}/explore/{codec}/{variant}.csv" for codec, variant in grid.explorations()
            ],
            "training": self._courses(),
            "runtime": [f"{run}/runtime/{codec}.csv" for codec in grid.timed()],
            "anchors": [f"{run}/anchors/anchors.csv"],
        }

    def _courses(self) -> list[str]:
        """Logs of every training."""
        weights = [] if self.grid.fetched else list(map(self.baseline, self.grid.needed()))
        weights += [self.checkpoint("soft", str(codec)) for codec in self.grid.studied]
        weights += [path for codec in self.grid.codecs for path in self.decoders(codec)]
        return [str(Path(path).with_name("log.csv")) for path in weights]


def _id(codec: CodecId | str) -> CodecId:
    return CodecId.parse(str(codec))


def _trained_options(trained: Sequence[tuple[str, int]], paths: Sequence[str]) -> list[str]:
    pairs = zip(trained, paths, strict=True)
    return [f"--trained {seed}:{path}" for (_, seed), path in pairs]


# What a run trained, as a command that uses its codecs finds it


def codec_names(run: Path) -> list[str]:
    """The codecs that `run` trained, as text, sorted."""
    return sorted(path.parent.name for path in run.glob("soft/*/codec.safetensors"))


def codec_file(run: Path, codec_id: CodecId) -> Path:
    """The checkpoint that all variants of a codec decode for.

    Raises:
        CheckpointError: the run has none; names those that it has.
    """
    path = run / "soft" / str(codec_id) / "codec.safetensors"
    if not path.is_file():
        plain = run / "baseline" / str(codec_id) / "codec.safetensors"
        way_out = f"; without rectifiers, name {plain}" if plain.is_file() else ""
        raise CheckpointError(f"{run} holds no codec {codec_id}{held(run)}{way_out}")
    return path


def held(run: Path) -> str:
    """What `run` holds in place of the codec that was asked for, as the end of a message."""
    names = codec_names(run)
    if not names:
        return " and no other, so it may be no folder of a run, such as runs/mine"
    return f"; it holds: {', '.join(names)}"


def decoder_files(run: Path, codec_id: CodecId) -> dict[str, Path]:
    """Weights of a codec's trained variants, by name; of the lowest seed where there are more."""
    seeds: dict[str, list[int]] = {}
    folder = run / "predictive" / str(codec_id)
    for path in folder.glob("*/decoder.safetensors"):
        variant, _, seed = path.parent.name.rpartition("_s")
        if seed.isdecimal():
            seeds.setdefault(variant, []).append(int(seed))
    return {
        variant: folder / f"{variant}_s{min(seeds[variant])}" / "decoder.safetensors"
        for variant in sorted(seeds)
    }


def variant_names(run: Path) -> list[str]:
    """The variants that `run` trained for any codec, sorted."""
    folders = run.glob("predictive/*/*")
    return sorted({folder.name.rpartition("_s")[0] for folder in folders})


def plugins(run: Path) -> list[str]:
    """The plugins that the run's configuration names."""
    config = run / CONFIG
    return plugins_of(config) if config.is_file() else []


def load_plugins(run: Path) -> None:
    """Make the codecs, rectifiers and variants known that the run's plugins register."""
    load_these(plugins(run))
