"""A summary in the JSON layout of CompressAI's evaluation.

python -m compressai.utils.plot -f results/*/compressai/*_mse_*.json -o rd.png
"""

import json
from pathlib import Path

import pandas as pd

from qr.analyse.metrics import over_seeds
from qr.decoders.variants import is_bound
from qr.files import write_text
from qr.measure.collect import read
from qr.measure.quality import MEASURES
from qr.measure.schema import SUMMARY

# CompressAI's name of a measured quantity: ours. MS-SSIM is linear there.
_RESULTS = {
    "bpp": "bpp",
    **{measure.name: measure.column for measure in MEASURES},
    "encoding_time": "encode_s",
    "decoding_time": "decode_s",
}


def write_compressai(summary_csv: Path | str, out_dir: Path | str) -> list[Path]:
    """Write `<model>_<metric>_<variant>.json` for every decoder of a summary, bounds left out.

    Seeds are averaged. A quantity that a quality lacks (MS-SSIM of small images) is left
    out of the file, because JSON has no NaN.
    """
    summary = read(summary_csv, SUMMARY)
    summary = over_seeds(summary[~summary["variant"].map(is_bound).astype(bool)])
    written = []
    for (model, metric, variant), rows in summary.groupby(
        ["model", "metric", "variant"], sort=False
    ):
        path = Path(out_dir) / f"{model}_{metric}_{variant}.json"
        write_text(json.dumps(_document(model, metric, variant, rows), indent=2) + "\n", path)
        written.append(path)
    return written


def _document(model: str, metric: str, variant: str, rows: pd.DataFrame) -> dict:
    rows = rows.sort_values("bpp", kind="stable")
    return {
        "name": f"{model} {metric} {variant}",
        "description": f"{model} trained for {metric}, decoder variant {variant};"
        f" mean of {rows['images'].iloc[0]} images, bits from files",
        "results": {
            theirs: [float(f"{value:.10g}") for value in rows[ours]]
            for theirs, ours in _RESULTS.items()
            if rows[ours].notna().all()
        },
    }
