"""A whole small run through the commands, step by step."""

import shutil

from PIL import Image

from qr.config import load, settings
from support.photographs import photograph

CODEC = "mbt2018_mse_q1"


class Workshop:
    """Paths of one small run."""

    def __init__(self, folder, config_file):
        self.folder = folder
        self.config = config_file
        self.data = folder / "data"
        self.bitstreams = folder / "bitstreams"

    def __getattr__(self, name):
        return self.folder / name.replace("_", ".")

    def common(self, state):
        return [
            "--config", self.config, "--codec", CODEC, "--data", self.data,
            "--state", self.folder / "state" / state,
        ]  # fmt: skip

    def without_state(self, state):
        """The same arguments, with a state folder that nobody used."""
        shutil.rmtree(self.folder / "state" / state, ignore_errors=True)
        return self.common(state)

    @property
    def baseline(self):
        return [*self.common("baseline"), "--out", self.codec_safetensors, "--log", self.b_csv]

    @property
    def explore(self):
        return [
            *self.common("explore"), "--baseline", self.codec_safetensors, "--variant", "qr",
            "--out", self.explore_csv,
        ]  # fmt: skip

    @property
    def soft(self):
        return [
            *self.common("soft"), "--baseline", self.codec_safetensors,
            "--exploration", self.explore_csv, "--out", self.soft_safetensors,
            "--rectifier", self.rectifier_safetensors, "--log", self.s_csv,
        ]  # fmt: skip

    @property
    def predictive(self):
        return [
            *self.common("predictive"), "--soft", self.soft_safetensors,
            "--rectifier", self.rectifier_safetensors, "--exploration", self.explore_csv,
            "--variant", "qr", "--seed", 0, "--out", self.qr_safetensors, "--log", self.p_csv,
        ]  # fmt: skip

    @property
    def encode(self):
        return [
            "--config", self.config, "--codec", self.soft_safetensors,
            "--images", self.data / "test.csv", "--bitstreams", self.bitstreams,
            "--out", self.encoded_csv,
        ]  # fmt: skip

    @property
    def decode(self):
        return [
            "--config", self.config, "--codec", self.soft_safetensors,
            "--images", self.data / "test.csv", "--bitstreams", self.bitstreams,
            "--encoded", self.encoded_csv, "--variant", "baseline", "--variant", "centroid",
            "--trained", f"0:{self.qr_safetensors}", "--out", self.decoded_csv,
        ]  # fmt: skip

    @property
    def commands(self):
        """Every step in turn: its name, and the arguments of `qr`."""
        trained = ["--trained", f"0:{self.qr_safetensors}"]
        timed = ["--variant", "baseline", "--trained", self.qr_safetensors]
        coded = ["--config", self.config, "--codec", self.soft_safetensors]
        images = ["--images", self.data / "test.csv"]
        files = ["--bitstreams", self.bitstreams]
        found = ["--config", self.config, "--out", self.data, "--downloads", self.folder / "d"]
        shown = [*coded, *images, *files, "--variant", "baseline", *trained]
        classical = ["--config", self.config, *images]
        return {
            "data": ["data", *found],
            "baseline": ["train", "baseline", *self.baseline],
            "explore": ["explore", *self.explore],
            "soft": ["train", "soft", *self.soft],
            "predictive": ["train", "predictive", *self.predictive],
            "encode": ["encode", *self.encode],
            "decode": ["decode", *self.decode],
            "pictures": ["pictures", *shown, "--out", self.folder / "pictures"],
            "runtime": ["runtime", *coded, *images, *timed, "--out", self.runtime_csv],
            "anchors": ["anchors", *classical, "--out", self.anchors_csv],
        }


def configured(folder, small_config, images, **changes):
    """A configuration file whose images are in folders."""
    sources = {"train": {"folder": str(images)}, "test": {"folder": str(images.parent / "test")}}
    roles = {
        "baseline": {"source": "train", "share": 4},
        "exploration": {"reuse": "baseline"},
        "predictive": {"reuse": "baseline"},
        "validation": {"source": "train", "share": 1},
        "test": {"source": "test"},
    }
    data = small_config["data"] | {"sources": sources, "roles": roles}
    path = folder / "mine.yaml"
    load.write(settings.overlay(small_config | {"data": data}, changes), path)
    return path


def furnished(folder, small_config, **changes):
    """A workshop with images and a configuration, in which nothing was done yet."""
    for name, numbers in (("images", range(5)), ("test", (10, 11))):
        (folder / name).mkdir()
        for number in numbers:
            Image.fromarray(photograph(70, 90, number)).save(folder / name / f"{number}.png")
    return Workshop(folder, configured(folder, small_config, folder / "images", **changes))
