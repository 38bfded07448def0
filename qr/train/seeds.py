"""Seeds that depend on what they are for."""

import hashlib


def derive_seed(*parts: object) -> int:
    """A 63-bit seed that depends on all of `parts`, and on their order."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
