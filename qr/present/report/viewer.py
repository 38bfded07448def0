"""What the picture viewer shows: the pictures that `qr pictures` made, with their numbers."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from qr.analyse.gains import PAPER, REFERENCE
from qr.codecs.catalogue import CodecId
from qr.config.paths import PICTURES
from qr.errors import ResultsError
from qr.measure.quality import MEASURES
from qr.present import labels
from qr.present.report.chart import plain

_ORIGINAL = "image"  # the picture that was coded, among the views of the decoders
_MEASURED = [measure.column for measure in MEASURES]
_NUMBERS = ["bytes", "bpp", *_MEASURED, "quantization_error", "rectified_error"]
_TYPES = {".webp": "image/webp", ".png": "image/png"}


def load(folder: Path | None, images: pd.DataFrame) -> dict[str, Any] | None:
    """The viewer's data, if any.

    Args:
        folder: holds one folder a codec; None where there are none to show.
        images: images.csv, which has the numbers.

    Raises:
        ResultsError: the pictures are missing or incomplete, or of other images than `images`.
    """
    if folder is None:
        return None
    found = sorted(folder.glob(f"*/{PICTURES}"))
    if not found:
        raise ResultsError(f"{folder} has no pictures: name the folder that `qr pictures` made")
    codecs = {CodecId.parse(path.parent.name): path for path in found}
    order = {name: place for place, name in enumerate(images["model"].unique())}
    names = sorted(codecs, key=lambda c: (order.get(c.model, len(order)), c.metric, c.quality))
    files: dict[str, str] = {}
    shown: list[dict[str, Any]] = [
        {"label": _label(name), "images": list(_images(codecs[name], name, images, files))}
        for name in names
    ]
    variants = [view["variant"] for view in shown[0]["images"][0]["views"]]
    right = PAPER if PAPER in variants else variants[-1]
    measures = [
        {"column": m.column, "label": m.label, "unit": m.unit, "digits": m.digits} for m in MEASURES
    ]
    sides = {"left": REFERENCE, "right": right}
    return plain({"files": files, "codecs": shown, "measures": measures, **sides})


def _label(codec: CodecId) -> str:
    model, metric = labels.model(codec.model), labels.METRIC[codec.metric]
    return f"{model}, {metric}, quality {codec.quality}"


def _images(
    path: Path, codec: CodecId, images: pd.DataFrame, files: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """One codec's images; their files go into `files`, equal ones once."""
    rows = images[
        (images["model"] == codec.model)
        & (images["metric"] == codec.metric)
        & (images["quality"] == codec.quality)
    ]
    try:
        index = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path} is unreadable: {error}") from error
    for entry in index:
        original = {"variant": _ORIGINAL, "label": "original", "after": None, "numbers": None}
        original["picture"] = _keep(path.parent / entry["original"], files)
        views = [original]
        for view in entry["views"]:
            kept = {k: _keep(path.parent / view[k], files) for k in _pictures(view)}
            numbers = _numbers(rows, entry["image"], view, path)
            views.append(view | kept | numbers | {"label": labels.variant(view["variant"])})
        before = _keep(path.parent / entry["before"], files)
        yield entry | {"before": before, "views": views}


def _pictures(view: dict[str, Any]) -> list[str]:
    return [key for key in ("picture", "after", "change") if view[key] is not None]


def _numbers(rows: pd.DataFrame, image: str, view: dict[str, Any], path: Path) -> dict[str, Any]:
    ours = rows[(rows["image"] == image) & (rows["variant"] == view["variant"])]
    ours = ours[ours["seed"].isna() if view["seed"] is None else ours["seed"] == view["seed"]]
    if len(ours) != 1:
        raise ResultsError(f"{path}: images.csv has no row of {view['variant']} on {image}")
    return {"numbers": ours[_NUMBERS].iloc[0].to_dict()}


def _keep(path: Path, files: dict[str, str]) -> str:
    """The key in `files` of a picture as a data URI."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    key = hashlib.sha256(content).hexdigest()[:16]
    text = base64.b64encode(content).decode()
    files[key] = f"data:{_TYPES[path.suffix]};base64,{text}"
    return key
