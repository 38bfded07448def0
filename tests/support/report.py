"""A version that the report is made of."""

from qr.analyse.inference import DEFAULT

STATISTICS = DEFAULT | {"bootstrap": 200}
MODELS = ("bmshj2018-factorized", "mbt2018")
CODEC = "mbt2018_mse_q4"
MANIFEST = {
    "version": "looks",
    "config": {"version": "looks", "seeds": [0, 1]},
    "config_sha256": "c0ffee" + 58 * "0",
    "git_commit": 40 * "a",
    "git_dirty": True,
    "packages": {"torch": "2.0"},
    "machine": {"processor": "A <b>fast</b> one", "cores": 2, "memory_gib": 7.7},
    "data_sha256": {"test": {"images": 24, "sha256": "dada" + 60 * "1"}},
    "code_sha256": {"soft": 64 * "2"},
    "seeds": [0, 1],
    "steps": {"soft": {"jobs": 3, "wall_seconds": 12.5, "max_rss_mib": 900.0}},
}
