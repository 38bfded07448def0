"""The commands: a whole small run, and mistakes that end in one line."""

import datetime
import errno
import json
import os
import shutil
import signal
import subprocess
import sys

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from tensorboard.summary.writer.record_writer import RecordWriter

from qr.codecs import weights
from qr.codecs.catalogue import CodecId
from qr.config import load, settings
from qr.train.phases import BaselinePhase
from support import commands
from support.codecs import fresh_codec
from support.disk import fill
from support.metrics import write_metrics
from support.paths import ROOT
from support.workshop import CODEC, Workshop, furnished

TRAINING = ("baseline", "explore", "soft", "predictive")


def replaced(arguments, **changes):
    """The arguments with other values of some options."""
    arguments = list(arguments)
    for name, value in changes.items():
        arguments[arguments.index(f"--{name}") + 1] = value
    return arguments


@pytest.fixture(scope="module")
def made(tmp_path_factory, small_config):
    """A whole run through the commands."""
    workshop = furnished(tmp_path_factory.mktemp("workshop"), small_config)
    for step in ("data", *TRAINING, "encode", "decode"):
        assert commands.run(*workshop.commands[step]) == 0, step
    return workshop


@pytest.fixture
def workshop(made, tmp_path):
    """A copy of it, to be damaged."""
    shutil.copytree(made.folder, tmp_path, dirs_exist_ok=True)
    for manifest in (tmp_path / "data").iterdir():
        manifest.write_text(manifest.read_text().replace(str(made.folder), str(tmp_path)))
    text = made.config.read_text().replace(str(made.folder), str(tmp_path))
    (tmp_path / "mine.yaml").write_text(text)
    return Workshop(tmp_path, tmp_path / "mine.yaml")


def test_the_whole_run_gives_rows_for_every_variant(made):
    rows = pd.read_csv(made.decoded_csv)
    assert sorted(rows["variant"].unique()) == ["baseline", "centroid", "qr"]
    assert rows["image"].nunique() == 2
    assert rows.loc[rows["variant"] == "qr", "seed"].eq(0).all()
    assert rows.loc[rows["variant"] != "qr", "seed"].isna().all()
    assert rows.groupby("image")["bytes"].nunique().eq(1).all()
    for row in rows.itertuples():
        file = made.bitstreams / row.image.replace(".png", ".qrc")
        assert row.bytes == file.stat().st_size
    for log, phase in ((made.b_csv, "baseline"), (made.s_csv, "soft"), (made.p_csv, "predictive")):
        course = pd.read_csv(log)
        assert course["phase"].unique().tolist() == [phase]
        assert course["step"].max() == 8


def test_a_step_that_is_done_is_not_done_again(workshop, works):
    before = workshop.qr_safetensors.read_bytes()
    workshop.qr_safetensors.unlink()
    works("train", "predictive", *workshop.predictive)
    assert workshop.qr_safetensors.read_bytes() == before


def test_a_joint_soft_phase_learns_with_a_latent_that_gives_way_or_not(workshop, works):
    held = workshop.soft_safetensors.read_bytes()
    config = yaml.safe_load(workshop.config.read_text())
    assert config["soft"]["codec"] == "joint" and config["soft"]["detach_y"]
    config["soft"]["detach_y"] = False
    workshop.config.write_text(yaml.safe_dump(config))
    workshop.without_state("soft")
    works("train", "soft", *workshop.soft)
    assert workshop.soft_safetensors.read_bytes() != held
    course = pd.read_csv(workshop.s_csv).query("split == 'validation'")
    assert course["loss"].iloc[-1] < course["loss"].iloc[0]


def test_decoding_in_a_fresh_process_gives_the_same_numbers(workshop, made):
    arguments = replaced(workshop.decode, out=workshop.again_csv)
    commands.fresh("decode", *arguments, check=True)
    again, before = pd.read_csv(workshop.again_csv), pd.read_csv(made.decoded_csv)
    times = [column for column in before if column.endswith("_s")]
    pd.testing.assert_frame_equal(again.drop(columns=times), before.drop(columns=times))


def test_a_stopped_training_says_so_with_a_status_of_its_own(workshop, command, monkeypatch):
    from qr.train.phases import PredictivePhase

    forward = PredictivePhase.forward

    def interrupted(self, x):
        if self.training:
            os.kill(os.getpid(), signal.SIGTERM)
        return forward(self, x)

    monkeypatch.setattr(PredictivePhase, "forward", interrupted)
    workshop.without_state("predictive")
    status, _, err = command("train", "predictive", *workshop.predictive)
    assert status == 75
    assert "the same command goes on" in err and "Traceback" not in err


# Full disks


def at_training_step(monkeypatch, step, action):
    """Do `action` when the training step with that number, from 1, begins."""
    steps, forward = iter(range(1, 1000)), BaselinePhase.forward

    def hooked(self, x):
        if self.training and next(steps) == step:
            action()
        return forward(self, x)

    monkeypatch.setattr(BaselinePhase, "forward", hooked)


def test_a_disk_that_is_full_during_training(workshop, refused, command, small_disk, monkeypatch):
    """It says so in one line, loses one step, and goes on once there is room."""
    out = {"out": small_disk / "codec.safetensors", "log": small_disk / "log.csv"}
    arguments = replaced(workshop.baseline, state=small_disk / "state", **out)
    with monkeypatch.context() as patch:
        at_training_step(patch, 5, lambda: fill(small_disk))
        refused("train", "baseline", *arguments, says=["No space left", "is intact"])
    for _ in range(2):
        refused("train", "baseline", *arguments, says=["No space left", "is intact"])
    (small_disk / "ballast").unlink()
    status, _, err = command("train", "baseline", *arguments)
    assert (status, "resumed at step 4" in err) == (0, True)
    assert out["out"].read_bytes() == workshop.codec_safetensors.read_bytes()


def test_a_disk_that_is_full_when_training_has_ended(
    workshop, refused, works, small_disk, monkeypatch
):
    for option, written in (("out", "codec.safetensors"), ("log", "log.csv")):
        arguments = replaced(workshop.baseline, **{option: small_disk / written})
        ballast = fill(small_disk)
        refused("train", "baseline", *arguments, says=["No space left", small_disk / written])
        assert list(small_disk.iterdir()) == [ballast]
        ballast.unlink()
        at_training_step(monkeypatch, 1, lambda: pytest.fail("trained again"))
        works("train", "baseline", *arguments)
        assert (small_disk / written).stat().st_size
        (small_disk / written).unlink()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_for_tensorboards_events(workshop, refused, command, monkeypatch, number):
    """Which a thread writes that has a traceback of its own to tell."""
    workshop.without_state("baseline")
    with monkeypatch.context() as patch:

        def full(*_):
            raise OSError(number, os.strerror(number))

        at_training_step(patch, 5, lambda: patch.setattr(RecordWriter, "write", full))
        refused("train", "baseline", *workshop.baseline, says=[os.strerror(number), "is intact"])
    before = workshop.codec_safetensors.read_bytes()
    status, _, err = command("train", "baseline", *workshop.baseline)
    assert (status, "resumed at step" in err) == (0, True)
    assert workshop.codec_safetensors.read_bytes() == before


def test_another_error_of_the_system_keeps_its_traceback(workshop, monkeypatch):
    def broken(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(load, "load", broken)
    with pytest.raises(OSError, match="Input/output error"):
        commands.run("plan", "-c", workshop.config)


# Bad input


def refused_data(workshop, refused, says):
    out = workshop.folder / "new"
    arguments = ["--config", workshop.config, "--out", out, "--downloads", workshop.folder / "d"]
    told = refused("data", *arguments, says=says)
    assert not out.exists() or not any(out.iterdir())
    return told


def test_a_missing_folder_of_images(workshop, refused):
    shutil.rmtree(workshop.folder / "images")
    refused_data(workshop, refused, [workshop.folder / "images", "data.sources.train"])


def test_an_empty_folder_of_images(workshop, refused):
    for path in (workshop.folder / "images").iterdir():
        path.unlink()
    refused_data(workshop, refused, [workshop.folder / "images", "no images"])


def test_a_truncated_png_among_good_ones(workshop, refused):
    path = workshop.folder / "images" / "3.png"
    path.write_bytes(path.read_bytes()[:-200])
    (workshop.folder / "test" / "text.jpg").write_text("this is a text")
    told = refused_data(workshop, refused, [path, workshop.folder / "test" / "text.jpg"])
    assert "2 of 8" in told
    assert str(workshop.folder / "images" / "2.png") not in told


def test_a_test_image_among_those_to_train_with(workshop, refused):
    source = workshop.folder / "test" / "10.png"
    Image.open(source).save(workshop.folder / "images" / "same.bmp")
    refused_data(workshop, refused, [source, "same.bmp"])


def test_an_image_that_changed_since_the_manifest(workshop, refused):
    path = workshop.folder / "images" / "1.png"
    path.write_bytes(path.read_bytes() + b"more")
    workshop.without_state("baseline")
    refused("train", "baseline", *workshop.baseline, says=[path, "changed"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"models": {"elic": {"qualities": [1]}}}, ["unknown model 'elic'"]),
        ({"models": {"mbt2018": {"qualities": [9]}}}, ["models.mbt2018.qualities"]),
        ({"metrics": ["psnr"]}, ["metrics", "psnr"]),
        ({"variants": ["baseline", "none"]}, ["unknown variant 'none'"]),
        ({"trainings": {}}, ["'trainings' was unexpected"]),
        ({"version": datetime.date(2026, 1, 15)}, ["2026-01-15 as a date: put it in quotes"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_that_is_wrong(workshop, refused, changes, says):
    loaded = yaml.safe_load(workshop.config.read_text())
    workshop.config.write_text(yaml.safe_dump(settings.overlay(loaded, changes)))
    for command, arguments in (
        ("data", ["--config", workshop.config, "--out", "o", "--downloads", "d"]),
        ("encode", workshop.encode),
    ):
        refused(command, *arguments, says=says)


def test_a_missing_configuration(workshop, refused):
    refused("encode", *replaced(workshop.encode, config="none.yaml"), says=["none.yaml"])


@pytest.mark.parametrize(
    ("codec", "says"),
    [
        ("elic_mse_q1", "unknown model"),
        ("mbt2018_psnr_q1", "unknown metric"),
        ("mbt2018_mse_q9", "out of range"),
        ("mbt2018", "names no codec"),
        ("cheng2020-attn-m_mse_q1", "the configuration has no models.cheng2020-attn-m"),
    ],
)
def test_a_codec_that_does_not_exist(workshop, refused, codec, says):
    refused("train", "baseline", *replaced(workshop.baseline, codec=codec), says=[says])


def test_a_missing_manifest(workshop, refused):
    (workshop.data / "baseline.csv").unlink()
    refused("train", "baseline", *workshop.baseline, says=["baseline.csv"])
    (workshop.data / "test.csv").write_text("something else\n")
    refused("encode", *workshop.encode, says=["test.csv", "not a manifest"])


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 something else", "cut"])
def test_a_checkpoint_that_is_missing_or_damaged(workshop, refused, content):
    path = workshop.soft_safetensors
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[:-100] if content == "cut" else content)
    for command in (["encode", *workshop.encode], ["train", "predictive", *workshop.predictive]):
        refused(*command, says=[path])


def other_codec(workshop, name="mbt2018-mean"):
    path = workshop.folder / "other.safetensors"
    weights.save_codec(path, fresh_codec(name), CodecId(name, "mse", 1), {"N": 8, "M": 12})
    return path


def test_a_checkpoint_of_another_codec(workshop, refused):
    other = other_codec(workshop)
    says = [other, "mbt2018-mean_mse_q1", CODEC]
    refused("train", "soft", *replaced(workshop.soft, baseline=other), says=says)
    refused("explore", *replaced(workshop.explore, baseline=other), says=says)
    refused("train", "predictive", *replaced(workshop.predictive, soft=other), says=says)


def test_bitstreams_and_weights_of_another_codec(workshop, refused):
    same_kind = workshop.folder / "another.safetensors"
    ids = CodecId("mbt2018", "mse", 1), {"N": 8, "M": 12}
    weights.save_codec(same_kind, fresh_codec("mbt2018"), *ids)
    arguments = replaced(workshop.decode, codec=same_kind)
    refused("decode", *arguments, says=[workshop.qr_safetensors, "another codec"])
    place = arguments.index("--trained")
    del arguments[place : place + 2]
    refused("decode", *arguments, says=["10.qrc", "was made by checkpoint"])


@pytest.mark.parametrize("content", [None, "", "image,bytes\n11.png,3\n"])
def test_what_qr_encode_has_not_written(workshop, refused, content):
    path = workshop.folder / "other.csv"
    if content is not None:
        path.write_text(content)
    refused("decode", *replaced(workshop.decode, encoded=path), says=[path, "`qr encode`"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", ["train", "decode", "runtime"])
def test_a_gpu_that_is_not_there(workshop, refused, name):
    loaded = yaml.safe_load(workshop.config.read_text())
    engine = {"engine": {"accelerator": "cuda", "coding": "cuda"}}
    workshop.config.write_text(yaml.safe_dump(settings.overlay(loaded, engine)))
    arguments = {"train": ["baseline", *workshop.baseline], "decode": workshop.decode}
    runtime = replaced(workshop.encode, out=workshop.folder / "runtime.csv")
    place = runtime.index("--bitstreams")
    arguments["runtime"] = runtime[:place] + runtime[place + 2 :]
    refused(name, *arguments[name], says=["there is no GPU here"])


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
def test_a_damaged_bitstream(workshop, refused, damage):
    path = workshop.bitstreams / "11.qrc"
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        content[len(content) // 2] ^= damage == "flip"
        path.write_bytes({"cut": content[:-7], "empty": b"", "flip": content}[damage])
    refused("decode", *workshop.decode, says=[path])


@pytest.mark.parametrize(
    "trained", ["qr.safetensors", "x:qr.safetensors", "0:none.safetensors", "0:", f"{2**63}:x"]
)
def test_weights_that_are_named_wrongly(workshop, refused, trained):
    refused("decode", *replaced(workshop.decode, trained=trained), says=[trained.lstrip("0:")])


@pytest.mark.parametrize("step", ["decode", "pictures"])
def test_what_is_trained_is_not_measured_as_it_starts(workshop, refused, step):
    arguments = replaced(workshop.commands[step], variant="qr")
    refused(*arguments, says=["--variant qr: it is trained", "--trained SEED:WEIGHTS"])


def test_no_decoder_at_all(workshop, refused):
    arguments = [str(a) for a in workshop.decode]
    for name in ("--variant", "--variant", "--trained"):
        place = arguments.index(name)
        del arguments[place : place + 2]
    refused("decode", *arguments, says=["--variant NAME or --trained SEED:WEIGHTS"])


def test_a_bitstream_of_another_picture(workshop, refused):
    first, second = sorted(workshop.bitstreams.glob("*.qrc"))[:2]
    assert first.stat().st_size != second.stat().st_size
    first.write_bytes(second.read_bytes())
    refused("decode", *workshop.decode, says=[first, "bytes"])


OUTPUTS = {
    "explore": ["codec.safetensors", "mine.yaml"],
    "baseline": ["mine.yaml"],
    "soft": ["codec.safetensors", "explore.csv"],
    "predictive": ["soft.safetensors", "rectifier.safetensors", "explore.csv"],
    "encode": ["soft.safetensors", "data/test.csv", "mine.yaml"],
    "decode": ["soft.safetensors", "data/test.csv", "encoded.csv", "qr.safetensors"],
    "runtime": ["soft.safetensors", "data/test.csv", "qr.safetensors"],
    "anchors": ["data/test.csv", "mine.yaml"],
}


@pytest.mark.parametrize(
    ("step", "name"), [(step, name) for step, names in OUTPUTS.items() for name in names]
)
def test_no_step_writes_over_what_it_reads(workshop, refused, step, name):
    victim = workshop.folder / name
    before = victim.read_bytes()
    arguments = replaced(workshop.commands[step], out=victim)
    refused(*arguments, says=[victim, "is the file that is read"])
    assert victim.read_bytes() == before


def test_tables_are_not_written_over_metrics(refused, tmp_path):
    folder = write_metrics(tmp_path)
    before = (folder / "runtime.csv").read_bytes()
    arguments = ["tables", "-c", ROOT / "config.yaml", "--metrics", folder, "--out", folder]
    refused(*arguments, says=[folder / "runtime.csv", "is the file that is read"])
    assert (folder / "runtime.csv").read_bytes() == before


def test_a_row_that_comes_twice_has_no_mean(refused, tmp_path):
    images = write_metrics(tmp_path) / "images.csv"
    first, *rows = images.read_text().splitlines(keepends=True)
    images.write_text("".join([first, *rows, rows[0]]))
    refused("summary", "--images", images, "--out", tmp_path / "s.csv", says=["comes twice"])


def test_variants_that_do_not_exist(workshop, refused):
    refused("decode", *replaced(workshop.decode, variant="none"), says=["unknown variant 'none'"])
    workshop.without_state("predictive")
    arguments = replaced(workshop.predictive, variant="baseline")
    refused("train", "predictive", *arguments, says=["nothing to train"])


def test_folders_that_cannot_be_written(workshop, refused):
    """A file is in the way: as root, there is nothing that one may not write."""
    blocked = workshop.folder / "file"
    blocked.write_text("in the way")
    here = blocked / "x"
    data = ["--config", workshop.config, "--out", here, "--downloads", workshop.folder / "d"]
    refused("data", *data, says=[blocked])
    for name, command in (
        ("out", ["train", "baseline", *workshop.baseline]),
        ("state", ["train", "baseline", *workshop.baseline]),
        ("log", ["train", "baseline", *workshop.baseline]),
        ("out", ["explore", *workshop.explore]),
        ("out", ["train", "soft", *workshop.soft]),
        ("rectifier", ["train", "soft", *workshop.soft]),
        ("out", ["train", "predictive", *workshop.predictive]),
        ("bitstreams", ["encode", *workshop.encode]),
        ("out", ["encode", *workshop.encode]),
        ("out", ["decode", *workshop.decode]),
    ):
        refused(*replaced(command, **{name: here}), says=[blocked])


def test_a_loss_that_is_not_a_number(workshop, refused):
    loaded = yaml.safe_load(workshop.config.read_text())
    loaded["baseline"]["mse"] |= {"learning_rate": 1e8, "steps": 300}
    loaded["training"]["clip_grad_norm"] = 1e9
    workshop.config.write_text(yaml.safe_dump(loaded))
    arguments = replaced(workshop.without_state("baseline"), config=workshop.config)
    out = workshop.folder / "diverged.safetensors"
    refused(
        "train", "baseline", *arguments, "--out", out, "--log", workshop.b_csv,
        says=["at step", workshop.folder / "state" / "baseline"],
    )  # fmt: skip
    assert not out.exists()


def test_a_state_of_another_configuration_is_not_continued(workshop, refused):
    loaded = yaml.safe_load(workshop.config.read_text())
    loaded["predictive"]["training"]["steps"] = 9
    workshop.config.write_text(yaml.safe_dump(loaded))
    refused("train", "predictive", *workshop.predictive, says=["another settings", "delete"])


def test_an_exploration_that_is_none(workshop, refused):
    workshop.explore_csv.write_text("something\nelse\n")
    workshop.without_state("soft")
    refused("train", "soft", *workshop.soft, says=[workshop.explore_csv])


def test_an_unknown_table(workshop, refused):
    refused(
        "collect", "photos", workshop.b_csv, "--out", workshop.x_csv, "--config", workshop.config,
        says=["photos", "images"],
    )  # fmt: skip


# What is there already, and what is not


def test_a_plan_is_not_written_over_what_it_is_made_of_or_somebody_elses(
    workshop, refused, works, tmp_path
):
    before = workshop.config.read_bytes()
    plan = ["plan", "-c", workshop.config, "--out"]
    refused(*plan, workshop.config, "--force", says=[workshop.config, "the file that is read"])
    assert workshop.config.read_bytes() == before
    out = tmp_path / "plan.csv"
    out.write_text("precious")
    refused(*plan, out, says=[out, "--force"])
    assert out.read_text() == "precious"
    works(*plan, out, "--force")
    assert "gpu_hours" in out.read_text()


def test_a_table_is_written_also_where_stdout_takes_nothing(workshop, tmp_path):
    out = tmp_path / "plan.csv"
    command = [sys.executable, "-m", "qr", "plan", "-c", str(workshop.config), "--out", str(out)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "stdout takes no word" in done.stderr
    assert "gpu_hours" in out.read_text()


def test_a_summary_is_not_written_over_what_it_is_made_of(refused, tmp_path):
    images = write_metrics(tmp_path) / "images.csv"
    before = images.read_bytes()
    refused("summary", "--images", images, "--out", images, says=["is the file that is read"])
    assert images.read_bytes() == before


def test_differences_are_not_written_over_a_file_that_is_there(refused, works, tmp_path):
    for name in ("one", "two"):
        write_metrics(tmp_path / name / "metrics", models=["mbt2018"])
    one, two = tmp_path / "one", tmp_path / "two"
    diff, out = ["results", "diff", one, two, "--csv"], tmp_path / "victim.png"
    out.write_text("precious")
    refused(*diff, out, says=[out, "--force"])
    assert out.read_text() == "precious"
    works(*diff, out, "--force")
    assert "moved" in out.read_text()
    metrics = two / "metrics" / "images.csv"
    before = metrics.read_bytes()
    refused(*diff, metrics, "--force", says=[metrics, "the file that is read"])
    assert metrics.read_bytes() == before
    refused("results", "diff", one / "metrics", two, says=[one / "metrics", "that of a version"])


def test_what_is_no_finished_version_is_told_by_what_it_lacks(refused, tmp_path):
    refused("describe", tmp_path / "nowhere", says=[tmp_path / "nowhere", "no manifest.json\n"])
    (tmp_path / "manifest.json").write_text("{}")
    refused("describe", tmp_path, says=[tmp_path, "no ro-crate-metadata.json\n"])


def test_usage_errors_are_the_command_lines(command):
    for arguments in (["encode"], ["no-such-command"], ["train", "soft", "--no-such-option"]):
        status, _, err = command(*arguments)
        assert status == 2
        assert "Traceback" not in err


@pytest.mark.parametrize("words", [[], ["train"], ["decode"], ["train", "predictive"], ["plan"]])
def test_help_is_there(works, words):
    assert " ".join(["qr", *words]) in works(*words, "--help")


def test_no_traceback_in_a_real_process(tmp_path):
    """And help, as well as a mistake in the configuration, does not wait for torch."""
    code = (
        "import sys; from qr.cli import main\n"
        "sys.argv = ['qr', 'data', '-c', 'none.yaml', '--out', 'o', '--downloads', 'd']\n"
        "try:\n    main.main()\n"
        "except SystemExit as end:\n"
        "    import json; print(json.dumps([end.code, 'torch' in sys.modules]))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert json.loads(done.stdout) == [1, False]
    assert done.stderr.startswith("qr: error: cannot read the configuration none.yaml")
    assert done.stderr.count("\n") == 1


def test_weights_are_the_same_in_two_runs(workshop, made, works):
    """From nothing but images and configuration, and a seed."""
    workshop.without_state("baseline")
    out = workshop.folder / "again.safetensors"
    works("train", "baseline", *replaced(workshop.baseline, out=out))
    found, expected = (weights.load_codec(p)[0] for p in (out, made.codec_safetensors))
    assert weights.codec_digest(found) == weights.codec_digest(expected)
    assert torch.equal(found.model.g_a[0].weight, expected.model.g_a[0].weight)
