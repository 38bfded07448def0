"""What images are for, and from where each role may take them. Free of NumPy and Pillow."""

from collections.abc import Mapping
from typing import Any

from qr.errors import ConfigError

TRAINING_ROLES = ("baseline", "exploration", "predictive")
ROLES = (*TRAINING_ROLES, "validation", "test")  # also the order in which a source is cut


def without_overruled(roles: Mapping[str, Any]) -> dict[str, Any]:
    """Where an overlay adds `reuse` to a role, the `source` below it no longer counts."""
    return {
        name: {k: v for k, v in role.items() if k != "source"} if "reuse" in role else role
        for name, role in roles.items()
    }


def check(roles: Mapping[str, Any], sources: Mapping[str, Any]) -> None:
    """Raise ConfigError if a role is missing, or names a source or role that it cannot have."""
    for role in ROLES:
        if role not in roles:
            raise ConfigError(f"config: data.roles.{role} is missing")
        if "reuse" in roles[role]:
            _check_reuse(role, roles)
        elif roles[role].get("source") not in sources:
            known = ", ".join(sources)
            raise ConfigError(
                f"config: data.roles.{role}.source: no source {roles[role].get('source')!r} "
                f"among data.sources ({known})"
            )


def _check_reuse(role: str, roles: Mapping[str, Any]) -> None:
    other = roles[role]["reuse"]
    where = f"config: data.roles.{role}.reuse"
    if role not in TRAINING_ROLES:
        raise ConfigError(f"{where}: {role} images must not be seen in any other role")
    if other not in TRAINING_ROLES:
        raise ConfigError(f"{where}: {other!r} is not one of {', '.join(TRAINING_ROLES)}")
    if "reuse" in roles.get(other, {}):
        raise ConfigError(f"{where}: {other} has no images of its own, name the role it reuses")
