"""The commands for people who have pictures: compress, decompress and info."""

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from compressai.zoo.image import model_urls
from PIL import Image

import qr
from qr.codecs import zoo
from qr.codecs.catalogue import CodecId
from qr.codecs.weights import codec_digest, save_codec
from qr.coding import code as coding_code
from qr.coding import pictures
from qr.coding.bitstream import Bitstream
from qr.data import images
from qr.decoders import weights
from qr.errors import CheckpointError, DataError
from qr.files import file_digest
from support.codecs import MODEL, NAME, compressais, fresh_codec
from support.commands import fresh
from support.paths import ROOT
from support.photographs import photograph
from support.workspace import PATIENCE


@pytest.fixture(scope="module")
def run(trained_run):
    return trained_run


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photograph(50, 77)).save(path)
    return path


def pixels(path):
    return np.asarray(Image.open(path))


# One picture


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (64, 64), (65, 129)])
def test_a_picture_comes_back_as_compressai_decodes_it(works, run, tmp_path, size):
    picture = photograph(*size)
    Image.fromarray(picture).save(tmp_path / "photo.png")
    coded, back = tmp_path / "photo.qrc", tmp_path / "back.png"
    said = works("compress", tmp_path / "photo.png", coded, "--run", run, "--codec", NAME)
    assert f"{coded.stat().st_size:,} bytes" in said
    works("decompress", coded, back, "--run", run)
    assert np.array_equal(pixels(back), compressais(fresh_codec(MODEL).model, picture))


def grey(colour):
    levels = colour[..., 0]
    return Image.fromarray(levels), np.repeat(levels[..., None], 3, 2)


def palette(colour):
    image = Image.fromarray(colour).quantize(16)
    return image, np.asarray(image.getpalette()).reshape(-1, 3)[np.asarray(image)].astype(np.uint8)


def deep(colour):
    """16-bit grey: what is left are the high bytes."""
    levels = colour[..., 1]
    return Image.fromarray(levels.astype(np.uint16) * 257), np.repeat(levels[..., None], 3, 2)


def transparent(colour):
    rgba = np.dstack([colour, np.zeros(colour.shape[:2], np.uint8)])
    rgba[:20, :, 3] = 255
    expected = colour.copy()
    expected[20:] = 255
    return Image.fromarray(rgba), expected


def turned(colour):
    image = Image.fromarray(colour)
    image.getexif()[0x0112] = 6  # to be shown turned clockwise
    return image, np.rot90(colour, -1)


@pytest.mark.parametrize("kind", [grey, palette, deep, transparent, turned])
def test_every_kind_of_picture_is_coded_as_its_rgb(works, run, tmp_path, kind):
    image, rgb = kind(photograph(40, 66))
    options = {"exif": image.getexif()} if kind is turned else {}
    image.save(tmp_path / "kind.png", **options)
    Image.fromarray(np.ascontiguousarray(rgb)).save(tmp_path / "rgb.png")
    for name in ("kind", "rgb"):
        coded = tmp_path / f"{name}.qrc"
        works("compress", tmp_path / f"{name}.png", coded, "--run", run, "--codec", NAME)
    assert (tmp_path / "kind.qrc").read_bytes() == (tmp_path / "rgb.qrc").read_bytes()
    works("decompress", tmp_path / "kind.qrc", tmp_path / "back.png", "--run", run)
    assert pixels(tmp_path / "back.png").shape == rgb.shape


@pytest.fixture
def coded(works, run, photo):
    path = photo.with_suffix(".qrc")
    works("compress", photo, path, "--run", run, "--codec", NAME)
    return path


def test_a_trained_variant_is_found_in_the_run_or_by_its_weights(works, run, coded, tmp_path):
    """Against `qr.rectify`, which takes another way through the same decoder."""
    codec = fresh_codec(MODEL)
    seen = {}
    for seed in (2, 10):
        file = run / "predictive" / NAME / f"qr_s{seed}" / "decoder.safetensors"
        works(
            "decompress", coded, tmp_path / f"{seed}.png", "--variant", file,
            "--codec", run / "soft" / NAME / "codec.safetensors",
        )  # fmt: skip
        seen[seed] = pixels(tmp_path / f"{seed}.png")
    works("decompress", coded, tmp_path / "named.png", "--run", run, "--variant", "qr")
    decoder, _ = weights.load_decoder(file.parents[1] / "qr_s2" / file.name, codec)
    model = qr.rectify(codec.model, decoder)
    expected = compressais(model, photograph(50, 77))
    assert np.array_equal(pixels(tmp_path / "named.png"), expected)
    assert np.array_equal(seen[2], expected) and not np.array_equal(seen[10], expected)
    works("decompress", coded, tmp_path / "baseline.png", "--run", run)
    assert not np.array_equal(pixels(tmp_path / "baseline.png"), expected)


def test_an_untrained_variant_needs_no_weights(works, run, coded, tmp_path):
    works("decompress", coded, tmp_path / "x.png", "--run", run, "--variant", "centroid")
    model = qr.rectify(fresh_codec(MODEL).model, "centroid")
    assert np.array_equal(pixels(tmp_path / "x.png"), compressais(model, photograph(50, 77)))


@pytest.mark.parametrize("suffix", [".bmp", ".ppm", ".tif", ".TIFF"])
def test_pictures_are_written_in_the_format_of_their_name(works, run, coded, suffix):
    works("decompress", coded, coded.with_name("back.png"), "--run", run)
    works("decompress", coded, coded.with_name(f"back{suffix}"), "--run", run)
    assert np.array_equal(
        pixels(coded.with_name(f"back{suffix}")), pixels(coded.with_name("back.png"))
    )


def test_a_codec_of_the_zoo_is_found_by_the_header(works, photo, monkeypatch, tmp_path):
    hub = tmp_path / "checkpoints"
    hub.mkdir()
    codec = fresh_codec(MODEL)
    torch.save(codec.model.state_dict(), hub / "made")
    digest = file_digest(hub / "made")[:8]
    (hub / "made").rename(hub / f"{MODEL}-1-{digest}.pth.tar")
    entry = {"mse": {1: f"https://example.org/{MODEL}-1-{digest}.pth.tar"}}
    monkeypatch.setitem(model_urls, MODEL, entry)
    monkeypatch.setattr(zoo, "get_dir", lambda: str(tmp_path))
    works("compress", photo, tmp_path / "x.qrc", "--codec", NAME)
    works("decompress", tmp_path / "x.qrc", tmp_path / "x.png")
    expected = compressais(codec.model, photograph(50, 77))
    assert np.array_equal(pixels(tmp_path / "x.png"), expected)


def test_a_codec_of_ones_own_is_known_from_the_runs_configuration(run, photo, small_config):
    """In a process of its own, which has not seen the plugin."""
    from qr.config import load, settings

    folder = photo.parent
    plugin = folder / "plugin.py"
    plugin.write_text(
        "import qr\n"
        "from compressai.models import FactorizedPrior\n"
        "qr.register_codec('plugged', FactorizedPrior, qualities=3)\n"
    )
    load.write(settings.overlay(small_config, {"plugins": [str(plugin)]}), folder / "config.yaml")
    with open(folder / "config.yaml", "a") as config:
        config.write("a_key_of_another_version: 1\n")
    path = folder / "soft" / "plugged_mse_q1" / "codec.safetensors"
    codec = fresh_codec("bmshj2018-factorized")
    save_codec(path, codec, CodecId("plugged", "mse", 1), {"N": 8, "M": 12})
    for arguments in (
        ["compress", photo, folder / "x.qrc", "--run", folder, "--codec", "plugged_mse_q1"],
        ["decompress", folder / "x.qrc", folder / "x.png", "--run", folder],
    ):
        fresh(*arguments, check=True)
    expected = compressais(codec.model, photograph(50, 77), 16)
    assert np.array_equal(pixels(folder / "x.png"), expected)


# Many pictures


@pytest.fixture
def album(tmp_path):
    """Three pictures, one of them in a folder inside, and something else."""
    folder = tmp_path / "album"
    (folder / "inner").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.jfif", "inner/a.png")):
        Image.fromarray(photograph(20 + number, 30, number)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_folder_keeps_its_shape(works, run, album, tmp_path):
    said = works("compress", album, "--out", tmp_path / "coded", "--run", run, "--codec", NAME)
    assert files(tmp_path / "coded") == ["a.qrc", "b.qrc", "inner/a.qrc"]
    (tmp_path / "coded" / "b.txt").touch()
    size = sum(path.stat().st_size for path in (tmp_path / "coded").rglob("*.qrc"))
    assert f"3 compressed: {size:,} bytes" in said
    works("decompress", tmp_path / "coded", "--out", tmp_path / "back", "--run", run)
    assert files(tmp_path / "back") == ["a.png", "b.png", "inner/a.png"]
    assert pixels(tmp_path / "back" / "inner" / "a.png").shape == (22, 30, 3)


def test_patterns_that_no_shell_expanded(works, run, album, tmp_path):
    out = tmp_path / "coded"
    patterns = [album / "[ab].[jp][fn]*", album / "**" / "inner" / "a.png", album / "b.jfif"]
    again = album / "inner" / ".." / "b.jfif"
    names = [*patterns[:1], *patterns[2:], again]  # b.jfif three times is once
    works("compress", *names, "--out", out, "--run", run, "--codec", NAME)
    assert files(out) == ["a.qrc", "b.qrc"]
    works("compress", patterns[1], "--out", out / "more", "--run", run, "--codec", NAME)
    assert files(out / "more") == ["a.qrc"]
    works("compress", album / "b.*", "--run", run, "--codec", NAME)
    assert (album / "b.qrc").read_bytes() == (out / "b.qrc").read_bytes()


def test_what_a_folder_leaves_out_is_told(run, album, tmp_path):
    Image.open(album / "a.png").save(album / "c.gif")
    arguments = ["compress", album, "--out", tmp_path / "coded", "--run", run, "--codec", NAME]
    told = fresh(*arguments, check=True).stderr
    assert f"{album}: 2 files left out: .gif, .txt\n" in told


def test_a_failing_file_does_not_stop_the_others(refused, works, run, album, tmp_path):
    (album / "broken.png").write_bytes((album / "a.png").read_bytes()[:99])
    (album / "empty.jpg").touch()
    out = tmp_path / "coded"
    says = ["2 of 5 failed", album / "broken.png", album / "empty.jpg", "empty"]
    refused("compress", album, "--out", out, "--run", run, "--codec", NAME, says=says)
    assert files(out) == ["a.qrc", "b.qrc", "inner/a.qrc"]
    (out / "b.qrc").write_bytes((out / "b.qrc").read_bytes()[:-1])
    says = [out / "b.qrc", "cut short"]
    refused("decompress", out, "--out", tmp_path / "back", "--run", run, says=["1 of 3", *says])
    assert files(tmp_path / "back") == ["a.png", "inner/a.png"]
    refused("info", out, says=says)


def test_what_is_wrong_with_all_files_is_told_once(command, works, run, album, tmp_path):
    works("compress", album, "--out", tmp_path / "coded", "--run", run, "--codec", NAME)
    options = ["--out", tmp_path / "back", "--run", run, "--variant", "nothing"]
    status, _, err = command("decompress", tmp_path / "coded", *options)
    assert status == 1
    assert "3 of 3 failed" in err and err.count("no variant 'nothing'") == 1


def test_what_would_become_the_same_file_is_refused_before_anything_is_done(refused, run, album):
    Image.open(album / "a.png").save(album / "a.webp")
    out = album.parent / "coded"
    says = [album / "a.png", album / "a.webp", out / "a.qrc", "a folder of its own"]
    refused("compress", album, "--out", out, "--run", run, "--codec", NAME, says=says)
    assert not out.exists()


def test_a_bar_shows_the_progress_on_a_terminal(run, album, tmp_path):
    primary, secondary = pty.openpty()
    arguments = ["compress", album, "--out", tmp_path / "c", "--run", run, "--codec", NAME]
    fresh(*arguments, check=True, stderr=secondary)
    os.close(secondary)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal ends
        while part := os.read(primary, 10_000):
            shown += part
    assert b"compress" in shown and b"3/3" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["photo.png", "photo.qrc", "photo.png"], "where to?"),
        (["photo.png", "photo.png", "photo.qrc"], "where to?"),
        ([".", "photo.qrc"], "where to?"),
        (["."], "where to?"),
        (["photo.png", "second.png"], "where to?"),
        (["photo.png", "empty"], "where to?"),
        (["*.png"], "where to?"),
        (["*.png", "photo.qrc"], "where to?"),
        (["photo.png", "*.png"], "where to?"),
        (["*.jpg"], "no such files"),
        (["photo.png", ".qrc"], "it has no name before .qrc"),
        (["photo.png", "--out", "second.png"], "is a file: --out names a folder"),
        (["photo.png", "--run", "nowhere"], "nowhere: no such folder"),
        (["photo.png", "other.png"], "must end in .qrc"),
        (["photo.png", "new/"], "a folder to write to is named by --out"),
        (["photo.png", "second.png/photo.qrc"], "photo.qrc: Not a directory"),
        (["gone.png", "photo.qrc"], "gone.png"),
        (["*.jpg", "--out", "coded"], "no such files"),
        (["empty", "--out", "coded"], "no images"),
        (["", "--out", "coded"], "a name is empty"),
        (["https://example.org/x.png"], "https://example.org/x.png is an address: download it"),
        (["/dev/null"], "name what to write, too"),
        (["photo.png", "--out", "photo.png"], "photo.png"),
    ],
)
def test_what_cannot_be_done_is_said(refused, run, photo, monkeypatch, arguments, says):
    (photo.parent / "empty").mkdir()
    shutil.copy(photo, photo.with_name("second.png"))
    monkeypatch.chdir(photo.parent)
    before = photo.read_bytes()
    refused("compress", "--run", run, "--codec", NAME, *arguments, says=[says])
    assert files(photo.parent) == ["photo.png", "second.png"] and photo.read_bytes() == before


def test_of_two_coded_files_the_second_is_not_taken_for_a_picture(refused, run, coded):
    second = coded.with_name("second.qrc")
    shutil.copy(coded, second)
    refused("decompress", coded, second, "--run", run, says=["where to?", "--out FOLDER"])


def test_a_picture_is_never_replaced_by_its_own_file(refused, run, photo):
    odd = photo.with_suffix(".qrc")
    before = photo.read_bytes()
    photo.rename(odd)
    arguments = [odd, "--run", run, "--codec", NAME, "--force"]
    refused("compress", *arguments, says=[odd, "the file that is read"])
    assert odd.read_bytes() == before


def test_a_file_that_exists_is_overwritten_only_by_force(refused, works, run, coded, tmp_path):
    target = tmp_path / "back.png"
    target.write_text("precious")
    refused("decompress", coded, target, "--run", run, says=[target, "--force"])
    assert target.read_text() == "precious"
    works("decompress", coded, target, "--run", run, "--force")
    assert pixels(target).shape == (50, 77, 3)
    link = tmp_path / "link.png"
    link.symlink_to(tmp_path / "gone.png")
    refused("decompress", coded, link, "--run", run, says=[link, "--force"])
    photo, before = coded.with_name("photo.png"), coded.read_bytes()
    arguments = [photo, coded, "--run", run, "--codec", NAME]
    refused("compress", *arguments, says=[coded, "--force"])
    assert coded.read_bytes() == before


def test_two_that_write_one_file_at_once_do_not_lose_one(run, photo, tmp_path, monkeypatch):
    """The other's file appears while ours is being written."""
    compress, out = pictures.Compressor(NAME, None, run), tmp_path / "photo.qrc"
    encode = coding_code.encode

    def slow(*arguments):
        out.write_text("the other's")
        return encode(*arguments)

    monkeypatch.setattr(coding_code, "encode", slow)
    with pytest.raises(DataError, match=r"photo\.qrc exists; --force"):
        compress(photo, out, force=False)
    assert out.read_text() == "the other's"
    compress(photo, out, force=True)
    assert out.read_bytes()[:3] == b"QRC"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", "photo.qrc"]


@pytest.mark.parametrize(
    ("sheet", "says"), [("sheet.jpg", ".png"), ("photo.png", "the file that is read")]
)
def test_a_sheet_is_a_png_and_never_the_picture(refused, run, photo, sheet, says):
    before = photo.read_bytes()
    out = photo.with_name(sheet)
    refused("compare", photo, out, "--run", run, "--codec", NAME, "--force", says=[out, says])
    assert photo.read_bytes() == before


@pytest.mark.parametrize("length", [251, 240])
def test_the_longest_names_are_written(works, refused, run, photo, length):
    long = photo.with_name("n" * length + ".qrc")
    works("compress", photo, long, "--run", run, "--codec", NAME)
    too_long = photo.with_name("n" * 300 + ".qrc")
    refused("compress", photo, too_long, "--run", run, "--codec", NAME, says=["cannot write"])


def test_what_a_folder_hides_is_told_and_counts(refused, run, album, tmp_path):
    (album / "gone.png").symlink_to(album / "nowhere")
    out = tmp_path / "coded"
    refused("compress", album, "--out", out, "--run", run, "--codec", NAME, says=["gone.png"])
    assert len(files(out)) == len(files(album)) - 1


def test_a_name_that_the_terminal_cannot_print_is_printed_otherwise(run, coded, tmp_path):
    name = coded.with_name("\u0436\u00e9.qrc")
    coded.rename(name)
    done = fresh("info", name, env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert done.returncode == 0, done.stderr
    assert "\\u0436" in done.stdout


def test_an_endless_input_ends(refused, run, tmp_path, monkeypatch):
    """A pipe, into which four times as much is written as may be read."""
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 2**22)
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)

    def write():
        with contextlib.suppress(BrokenPipeError), open(pipe, "wb") as file:
            file.write(bytes(2**24))

    writer = threading.Thread(target=write)
    writer.start()
    out = tmp_path / "a.qrc"
    refused("compress", pipe, out, "--run", run, "--codec", NAME, says=["too many"])
    writer.join()


DIE = """
import os, signal, sys
from pathlib import Path
from qr.cli import main
from qr.data.images import Image

def dying(self, path, *_):
    Path(path).write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

Image.Image.save = dying
main.main()
"""


def test_a_process_killed_while_it_writes_leaves_the_old_file(run, coded, tmp_path):
    target = tmp_path / "back.png"
    target.write_text("precious")
    arguments = ["decompress", coded, target, "--run", run, "--force"]
    done = fresh(*arguments, program=("-c", DIE))
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "precious"


def test_a_disk_that_is_full_leaves_nothing(refused, run, coded, tmp_path, monkeypatch):
    def full(self, path, *_):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    target = tmp_path / "new" / "back.png"
    refused("decompress", coded, target, "--run", run, says=[target, "No space left"])
    assert files(target.parent) == []


def shell(redirection, *arguments):
    """A command whose output goes elsewhere, as a shell sends it."""
    line = f'exec "$0" "$@" {redirection}'
    program = ["sh", "-c", line, sys.executable, "-m", "qr", *map(str, arguments)]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_file_is_written_also_where_nobody_can_be_told(run, coded, monkeypatch, buffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", buffered)
    done = shell(">/dev/full", "decompress", coded, "--run", run)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert (
        "stdout takes no word" in done.stderr
        and "are written" in done.stderr
        and "ignored" not in done.stderr
    )
    assert pixels(coded.with_name("photo_decoded.png")).shape == (50, 77, 3)


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_outputs_that_are_closed_are_told_nothing(run, coded, closed):
    done = shell(closed, "decompress", coded, "--run", run)
    assert done.returncode == 0
    assert ("decompressed" in done.stdout) == (closed == "2>&-")
    assert "progress" not in done.stdout and "1/1" not in done.stdout


# What does not belong together, and what lies


def test_a_wrong_checkpoint_is_told_with_both_digests(refused, run, coded, tmp_path):
    other = fresh_codec(MODEL)
    with torch.no_grad():
        other.model.g_a[0].bias[0] += 1e-3
    other_id = CodecId(MODEL, "mse", 1)
    save_codec(tmp_path / "other.safetensors", other, other_id, {"N": 8, "M": 12})
    right = codec_digest(fresh_codec(MODEL))[:16]
    wrong = codec_digest(other)[:16]
    says = [coded, right, wrong, tmp_path / "other.safetensors", NAME]
    arguments = ["--codec", tmp_path / "other.safetensors"]
    refused("decompress", coded, tmp_path / "back.png", *arguments, says=says)
    assert not (tmp_path / "back.png").exists()


@pytest.mark.parametrize("model", [MODEL, "nobodys"])
def test_a_codec_that_nobody_has_is_told_by_its_checkpoint(refused, coded, monkeypatch, model):
    """Whether the zoo's is the same shows only once it is downloaded."""

    def gone(codec_id):
        raise CheckpointError("cannot download it")

    monkeypatch.setattr(zoo, "load", gone)
    bitstream = replace(Bitstream.from_bytes(coded.read_bytes()), model=model)
    coded.write_bytes(bitstream.to_bytes())
    says = [coded, f"{model}_mse_q1 of checkpoint {bitstream.checkpoint}", "--codec", "--run"]
    refused("decompress", coded, says=says)


def test_a_run_without_the_codec_says_what_it_holds(refused, run, photo, coded, tmp_path):
    out = tmp_path / "x.qrc"
    says = ["mbt2018_mse_q3", NAME]
    refused("compress", photo, out, "--run", run, "--codec", "mbt2018_mse_q3", says=says)
    refused("decompress", coded, tmp_path / "x.png", "--run", tmp_path, says=[NAME, tmp_path])
    refused("compress", photo, out, "--codec", "photo", says=["'photo' names no codec"])
    gone = tmp_path / "gone.safetensors"
    refused("compress", photo, out, "--codec", gone, says=["no such checkpoint", gone])


@pytest.mark.parametrize(
    ("variant", "says"),
    [
        ("nothing", ["no variant 'nothing'", "At hand: baseline, centroid, ", "decoder, qr\n"]),
        ("qr-hyper", ["no trained qr-hyper", "At hand: baseline, centroid, ", "decoder, qr\n"]),
        ("original", ["before the soft phase", "baseline"]),
        ("ceiling", ["a bound"]),
        ("gone.safetensors", ["no such checkpoint: gone.safetensors"]),
    ],
)
def test_a_variant_that_cannot_decode_is_told(refused, run, coded, tmp_path, variant, says):
    out = tmp_path / "back.png"
    refused("decompress", coded, out, "--run", run, "--variant", variant, says=says)
    assert not out.exists()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other", "gone"])
def test_damaged_files_are_told(refused, run, photo, coded, damage):
    content = coded.read_bytes()
    flipped = content[:70] + bytes([content[70] ^ 1]) + content[71:]
    damaged = {"cut": content[:-5], "flip": flipped, "empty": b"", "other": photo.read_bytes()}
    coded.unlink()
    if damage != "gone":
        coded.write_bytes(damaged[damage])
    refused("decompress", coded, photo.with_name("back.png"), "--run", run, says=[coded])
    refused("info", coded, says=[coded])
    assert not photo.with_name("back.png").exists()


def liar(coded, side):
    """The file's content under a header that claims `side` x `side` pixels."""
    honest = Bitstream.from_bytes(coded.read_bytes())
    shape = [side // honest.padding] * 2
    return replace(honest, width=side, height=side, shape=shape).to_bytes()


@pytest.mark.parametrize("side", [2**14, 2**13])
def test_a_header_that_claims_too_much_is_refused_before_anything_is_allocated(
    refused, run, coded, tmp_path, monkeypatch, side
):
    reached = []
    monkeypatch.setattr(coding_code, "decode", lambda *_: reached.append(1))
    coded.write_bytes(liar(coded, side))
    says = [coded, f"{side} x {side} pixels", "--trust"]
    refused("decompress", coded, tmp_path / "back.png", "--run", run, says=says)
    assert not reached and not (tmp_path / "back.png").exists()


def test_a_blank_picture_is_believed_on_request(refused, works, run, tmp_path, monkeypatch):
    Image.new("RGB", (640, 480), "white").save(tmp_path / "blank.png")
    coded, back = tmp_path / "blank.qrc", tmp_path / "back.png"
    works("compress", tmp_path / "blank.png", coded, "--run", run, "--codec", NAME)
    monkeypatch.setattr(pictures, "UNQUESTIONED_PIXELS", 0)
    monkeypatch.setattr(pictures, "PIXELS_PER_BYTE", 640 * 480 / (coded.stat().st_size + 1))
    refused("decompress", coded, back, "--run", run, says=["--trust"])
    works("decompress", coded, back, "--run", run, "--trust")
    assert pixels(back).shape == (480, 640, 3)


# info


def test_info_says_what_a_file_holds(works, coded):
    said = works("info", coded)
    size = coded.stat().st_size
    digest = codec_digest(fresh_codec(MODEL))[:16]
    for words in (
        ["77 x 50 pixels"], [f"{size:,} bytes", f"{8 * size / 77 / 50:.4f} bpp"],
        ["model", MODEL], ["metric", "mse"], ["quality", "1"], ["checkpoint", digest],
        ["strings", "2"],
    ):  # fmt: skip
        assert any(all(word in line for word in words) for line in said.splitlines()), words


def test_info_needs_no_torch(coded):
    code = (
        "import sys; from qr.coding import arguments as inputs; from pathlib import Path;"
        "inputs.describe(Path(sys.argv[1])); print('torch' in sys.modules)"
    )
    done = fresh(coded, program=("-c", code), check=True)
    assert done.stdout.strip() == "False"


def test_a_header_cannot_write_to_the_terminal(command, run, coded, tmp_path):
    evil = replace(Bitstream.from_bytes(coded.read_bytes()), model="\x1b[2J\x07model")
    coded.write_bytes(evil.to_bytes())
    for arguments in (["info", coded], ["decompress", coded, tmp_path / "x.png", "--run", run]):
        said = "".join(command(*arguments)[1:])
        assert "model" in said and "\x1b" not in said and "\x07" not in said


LITTLE_MEMORY = """
import resource
from qr.cli import main
from qr.coding import pictures

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, used + 2**29))
main.main()
"""


def test_a_picture_that_takes_more_memory_than_there_is(run, tmp_path):
    vast = tmp_path / "vast.png"
    Image.new("RGB", (8000, 4000)).save(vast)
    arguments = ["compress", vast, tmp_path / "x.qrc", "--run", run, "--codec", NAME]
    done = fresh(*arguments, program=("-c", LITTLE_MEMORY))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{vast}: a picture of this size takes more memory" in done.stderr
    assert files(tmp_path) == ["vast.png"]
