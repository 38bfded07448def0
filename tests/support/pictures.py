"""What `qr pictures` leaves, made of photographs and noise: for the viewer, without a codec."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from support.photographs import photograph

NOISE = {"baseline": 12.0, "decoder": 9.0, "qr": 6.0}  # standard deviation, levels


def write_pictures(folder: Path, codec: str, names: tuple[str, ...], seed: int = 0) -> Path:
    """Write the pictures of one codec into `folder`/`codec`; only qr changes the latent."""
    random = np.random.default_rng(0)
    place = folder / codec
    place.mkdir(parents=True)
    index = []
    for number, name in enumerate(names):
        stem, original = Path(name).stem, photograph(96, 128, number)
        maps = random.uniform(0, 255, (3, 8, 12, 3)).astype(np.uint8)
        _save(original, place / f"{stem}_original.webp")
        for kind, pixels in zip(("before", "qr_after", "qr_change"), maps, strict=True):
            Image.fromarray(pixels).save(place / f"{stem}_{kind}.png")
        views = []
        for variant, noise in NOISE.items():
            noisy = original + random.normal(0, noise, original.shape)
            _save(noisy.clip(0, 255).astype(np.uint8), place / f"{stem}_{variant}.webp")
            moved = variant == "qr"
            views.append(
                {
                    "variant": variant,
                    "seed": None if variant == "baseline" else seed,
                    "picture": f"{stem}_{variant}.webp",
                    "after": f"{stem}_qr_after.png" if moved else None,
                    "change": f"{stem}_qr_change.png" if moved else None,
                    "change_limit": 0.5 if moved else 0.0,
                }
            )
        index.append(
            {
                "image": name,
                "size": [192, 128],
                "padded": [192, 128],
                "box": [32, 16, 160, 112],
                "limit": 7.25,
                "original": f"{stem}_original.webp",
                "before": f"{stem}_before.png",
                "views": views,
            }
        )
    (place / "pictures.json").write_text(json.dumps(index))
    return folder


def _save(pixels: np.ndarray, path: Path) -> None:
    Image.fromarray(pixels).save(path, lossless=True)
