"""Whether this machine has what the configuration asks for."""

from qr.errors import ConfigError


def require(device: str) -> None:
    """Refuse `device` ('cuda'; all others pass) where there is none.

    Raises:
        ConfigError: there is no GPU.
    """
    if device != "cuda":
        return
    import torch  # only here: where there is no need to ask, it takes seconds

    if not torch.cuda.is_available():
        raise ConfigError(
            "there is no GPU here, and this configuration runs on one: start the command where "
            "there is one, or set engine.accelerator and engine.coding to cpu"
        )
