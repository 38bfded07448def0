"""What a run trained, as the workflow lays it out below `runs/<version>/`. Free of torch."""

from pathlib import Path

from qr.codecs.catalogue import CodecId
from qr.config import load
from qr.errors import CheckpointError


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
        known = ", ".join(codec_names(run)) or "none, is it the folder of a run?"
        raise CheckpointError(f"{run} holds no codec {codec_id}; it holds: {known}")
    return path


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


def load_plugins(run: Path) -> None:
    """Make the codecs, rectifiers and variants known that the run's configuration registers."""
    if (run / "config.yaml").is_file():
        load.load(run / "config.yaml")
