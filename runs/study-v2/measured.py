"""Write measured.csv of the codec in the box: two pictures after each of its decoders."""

import csv
from pathlib import Path
from PIL import Image
from skimage import data
from qr.coding import find
from qr.config import paths
from qr.files import file_digest
from qr.measure.compare import neural

rows = []
for picture in ("coffee", "astronaut"):
    image = Image.fromarray(getattr(data, picture)())
    for name in paths.codec_names(paths.BOX):
        found = find.find(name, paths.BOX)
        decoders = [find.find_decoder(found, v) for v in find.at_hand(found)]
        files = {"baseline": paths.codec_file(paths.BOX, found.codec_id)} | dict(
            paths.decoder_files(paths.BOX, found.codec_id)
        )
        for r in neural(found, decoders, image, Path(picture)):
            rows.append(
                [
                    name,
                    r.codec,
                    picture,
                    r.bytes,
                    f"{r.quality['psnr_db']:.4f}",
                    f"{r.quality['ms_ssim']:.5f}",
                    file_digest(files[r.codec]),
                ]
            )
with open(paths.BOX / "measured.csv", "w", newline="") as f:
    w = csv.writer(f, lineterminator="\n")
    w.writerow(["codec", "variant", "picture", "bytes", "psnr_db", "ms_ssim", "sha256"])
    w.writerows(rows)
