"""The smoke tier, smaller still: what differs from it."""

SMALL = {
    "models": {
        "bmshj2018-factorized": {"qualities": [], "N": 8, "M": 12},
        "bmshj2018-hyperprior": {"qualities": [], "N": 8, "M": 12},
        "mbt2018": {"qualities": [1], "N": 8, "M": 12},
        "cheng2020-attn": {"qualities": [], "N": 8},
    },
    "metrics": ["mse"],
    "engine": {
        "accelerator": "cpu",
        "workers": 0,
        "device_cache_mb": 0,
        "save_every_seconds": 1e-9,
    },
    "data": {"validation_crop": 64},
    "rectifier": {"width": 8},
    "training": {"batch_size": 2, "crop": 64, "validate_every": 3, "schedule": "plateau"},
    "baseline": {
        "mse": {
            "steps": 8,
            "validate_every": 3,
            "batch_size": 2,
            "crop": 64,
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "aux_learning_rate": 1e-3,
        }
    },
    "explore": {
        "qualities": [1],
        "alpha": {"start": 1.0, "factor": 0.1, "min": 0.1},
        "epoch_steps": 2,
        "max_epochs": 2,
        "patience": 2,
    },
    "runtime": {"image": [256, 256]},
    "soft": {"codec": "joint", "training": {"steps": 8, "validate_every": 3}},
    "predictive": {"training": {"steps": 8, "validate_every": 3}},
}
