"""Table 3 of the paper: seconds to encode and decode, parameters and multiply-accumulates."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qr.analyse.claims import added_shares
from qr.analyse.metrics import Metrics, first_seed
from qr.measure.schema import KEY
from qr.present.layout import Table, number, span, text
from qr.present.tables import _words

ORDER = 50
HEADING = "Run time and size"

_ENCODER = ["analysis", "entropy_encode"]
_CONDITIONS = ["metric", "quality", "width", "height", "threads", "rounds"]
_COSTS = ["ratio_to_baseline", "ratio_iqr", "parameters", "macs_per_pixel"]


def table(metrics: Metrics, _statistics: Mapping[str, Any]) -> Table:
    """What a variant costs in time, parameters and operations."""
    rows = []
    for (codec, device), timed in metrics.of_decoders().runtime.groupby(
        ["model", "device"], sort=False
    ):
        encode = _encode_seconds(timed)
        for name, parts in timed.groupby("variant", sort=False):
            if "decode" in set(parts["part"]):
                ours = {"model": codec, "device": device, "variant": name, "encode_s": encode}
                rows.append(ours | _decoder_costs(parts.set_index("part")))
    columns = ["model", "device", "variant", *_CONDITIONS, "encode_s", "decode_s", "decode_iqr_s"]
    columns += ["rectifier_s", "rectifier_percent", *_COSTS]
    decoders, key = metrics.of_decoders(), ["model", "device", "variant"]
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.join(added_shares(decoders.runtime).set_index(key), on=key)
    frame = frame.join(_on_test_images(decoders.images), on=KEY)
    return Table(
        "Run time and size of each decoder.",
        frame,
        {
            "Model": _words.model,
            "Device": text("device"),
            "Variant": _words.variant,
            "Encode [s]": number("encode_s", ".3g"),
            "Decode [s]": number("decode_s", ".3g"),
            "Whole codec, mean over test images [s]": number("images_s", ".3g"),
            "Added, of encode + decode [%]": number("added_percent", "+.1f"),
            "IQR of decode [s]": number("decode_iqr_s", ".2g"),
            "Rectifier [% of decode]": number("rectifier_percent", ".1f"),
            "Decode / baseline": number("ratio_to_baseline", ".3f"),
            "IQR of the ratio": number("ratio_iqr", ".3f"),
            "Parameters [10⁶]": number("parameters", ".3f", scale=1e-6),
            "kMAC/pixel": number("macs_per_pixel", ".2f", scale=1e-3),
        },
        group=2,
        notes=[
            "Whole codec: encoding and decoding, mean over all test images, each done once, as the "
            "paper's Table 3. Added: what the decoder takes beyond the baseline's, by the ratio of "
            "interleaved rounds, as a share of encoding and decoding by the baseline. "
            "The others are medians; encode is the sum of those of analysis transform and entropy "
            "coding. Decode / baseline: median of the ratios of interleaved rounds. Parameters and "
            "multiply-accumulates of rectifier and synthesis transform. Rectifier: one that stands "
            "before the synthesis; what stands within or behind it is timed with the synthesis."
            + _conditions(frame)
        ],
    )


def _on_test_images(images: pd.DataFrame) -> pd.Series:
    """Seconds to encode and decode a test image, means, of the first seed."""
    rows = first_seed(images)
    seconds = (rows["encode_s"] + rows["decode_s"]).astype(float)
    return seconds.groupby([rows[name] for name in KEY]).mean().rename("images_s")


def _encode_seconds(timed: pd.DataFrame) -> float:
    """Encoding is the same for every decoder, so that one variant's timing is enough."""
    medians = timed.drop_duplicates("part").set_index("part")["median_s"]
    return medians.reindex(_ENCODER).sum(min_count=len(_ENCODER))


def _decoder_costs(parts: pd.DataFrame) -> dict[str, Any]:
    """One variant's numbers; `parts` has the parts as index."""
    decode = parts.loc["decode"]
    rectifier = parts["median_s"].get("rectifier", float("nan"))
    return {column: decode[column] for column in [*_CONDITIONS, *_COSTS]} | {
        "decode_s": decode["median_s"],
        "decode_iqr_s": decode["iqr_s"],
        "rectifier_s": rectifier,
        "rectifier_percent": 100 * rectifier / decode["median_s"],
    }


def _conditions(frame: pd.DataFrame) -> str:
    if frame.empty:
        return ""
    width, height, rounds, threads = (
        span(frame[column]) for column in ("width", "height", "rounds", "threads")
    )
    timed = f" Timed at quality {span(frame['quality'])} on {width}×{height} pixels,"
    return f"{timed} {rounds} rounds; CPU threads: {threads}."
