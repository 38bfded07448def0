"""Colours by code points of ITU-T H.273, as PNG and AVIF have them in place of a profile."""

from dataclasses import dataclass

# BT.709 and BT.601, which differ little, or unknown; sRGB's curve and those of television, whose
# pictures are shown as if they had it.
_PRIMARIES = frozenset({1, 2, 5, 6})
_TRANSFERS = frozenset({1, 2, 6, 13, 14, 15})


@dataclass(frozen=True)
class CodePoints:
    """Which primaries and which transfer characteristics."""

    primaries: int
    transfer: int

    def require_srgb(self) -> None:
        """Raises ValueError if they look wrong as sRGB: a wide gamut, or high dynamic range."""
        if self.primaries not in _PRIMARIES or self.transfer not in _TRANSFERS:
            raise ValueError(
                f"its colours are not sRGB's, but of primaries {self.primaries} and transfer "
                f"characteristics {self.transfer} by ITU-T H.273 (a wide gamut or high dynamic "
                "range): save it as sRGB, or with an ICC profile"
            )
