"""Whatever is written, a full disk is told in one error, and nothing half-written is left."""

import pytest
import torch

from qr.codecs import weights
from qr.codecs.catalogue import CodecId
from qr.coding import kept, pictures
from qr.config import load
from qr.data import manifests
from qr.errors import QRError
from qr.files import write_text
from qr.measure import rows
from qr.plan import cost
from qr.plan.work import Rate
from support.codecs import MODEL, WIDTHS, fresh_codec
from support.disk import fill

CODEC_ID = CodecId(MODEL, "mse", 1)


def codec(path):
    weights.save_codec(
        path, fresh_codec(MODEL), CODEC_ID, dict(zip("NM", WIDTHS[MODEL], strict=True))
    )


def configuration(path):
    load.write({"version": "x" * 9000}, path)


def manifest(path):
    manifests.write_manifest(path, [manifests.Entry("x" * 9000, 1, 1, 1, "", "")])


def metrics(path):
    write_text("x" * 9000, path)


def speeds(path):
    rate = Rate("x" * 9000, *[None] * 4, "soft", None, "train", 1, "", "cpu", 1, "")
    cost.merge(path, {rate: cost.Measured(1.0, None, None, "")})


def bitstream(path):
    rows._write(path, bytes(9000))


def latent(path):
    kept.keep(path, "", torch.zeros(1), torch.zeros(9000))
    path.with_suffix(kept.SUFFIX).rename(path)


def picture_file(path):
    pictures.write(path, lambda temporary: temporary.write_bytes(bytes(9000)), force=True)


WRITERS = (codec, configuration, manifest, metrics, speeds, bitstream, latent, picture_file)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_it_is_told_and_nothing_is_left(write, small_disk):
    path = small_disk / "file"
    ballast = fill(small_disk)
    with pytest.raises(QRError, match=r"file.*No space left"):
        write(path)
    assert list(small_disk.iterdir()) == [ballast]
    ballast.unlink()
    write(path)
    assert path.stat().st_size > 8192
