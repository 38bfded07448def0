"""CompressAI's pretrained weights, verified."""

import pickle
import re
from pathlib import Path
from urllib.error import URLError

import torch
from compressai.zoo import image_vbr
from compressai.zoo.image import model_architectures, model_urls
from compressai.zoo.pretrained import load_pretrained
from torch.hub import download_url_to_file, get_dir

from qr.codecs.base import Codec
from qr.codecs.catalogue import CodecId
from qr.codecs.registry import build_codec, wrap
from qr.errors import CheckpointError, ConfigError
from qr.files import file_digest


def load(codec_id: CodecId) -> Codec:
    """A pretrained codec, its entropy tables up to date.

    The file is taken from torch's folder (TORCH_HOME), or downloaded to it; either way the
    digest in its name is verified.

    Raises:
        ConfigError: the zoo has no such model, metric and quality.
        CheckpointError: it cannot be downloaded, or its digest is wrong.
    """
    url = _url(codec_id)
    path = Path(get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if not path.exists():
        _download(url, path)
    expected = _digest(path)
    if not file_digest(path).startswith(expected):
        raise CheckpointError(f"{path} is damaged: its digest is not {expected}; delete it")
    try:
        state = load_pretrained(torch.load(path, map_location="cpu", weights_only=True))
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise CheckpointError(f"{path} is no checkpoint: {error}") from error
    if codec_id.model in image_vbr.model_urls:
        model = build_codec(codec_id.model, codec_id.quality).model
        state.pop("QuantOffset", None)  # of an older model, as CompressAI's own loading drops it
        model.load_state_dict(state)
        model.update(force=True)  # its tables are those of the rate that was trained last
    else:
        model = model_architectures[codec_id.model].from_state_dict(state)
        model.update()
    return wrap(model.eval())


def _url(codec_id: CodecId) -> str:
    """Where its weights are; those of a variable-rate model are the same for all qualities."""
    try:
        if codec_id.model in image_vbr.model_urls:
            return image_vbr.model_urls[codec_id.model][codec_id.metric]
        return model_urls[codec_id.model][codec_id.metric][codec_id.quality]
    except KeyError as error:
        raise ConfigError(f"CompressAI's zoo has no weights for {codec_id}") from error


def _digest(path: Path) -> str:
    """The first digits of a file's SHA-256, which the zoo writes into its name."""
    found = re.search(r"-([0-9a-f]{8,})\.pth", path.name)
    assert found is not None  # so it is with all of CompressAI's
    return found[1]


def _download(url: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        download_url_to_file(url, str(path), hash_prefix=_digest(path))
    except (URLError, OSError, RuntimeError) as error:
        raise CheckpointError(
            f"cannot download {url}: {error}. Where there is no network, place the file at {path}"
        ) from error
