"""What images are for, and from where each role may take them. Free of NumPy and Pillow."""

import re
from collections.abc import Mapping
from typing import Any

from qr.errors import ConfigError

TRAINING_ROLES = ("baseline", "exploration", "predictive")
ROLES = (*TRAINING_ROLES, "validation", "test")  # also the order in which a source is cut


def test_sets(roles: Mapping[str, Any]) -> list[str]:
    """Names of the test sets, their sources', where there are several; else none."""
    test = roles["test"]
    return [] if isinstance(test, Mapping) else [part["source"] for part in test]


def test_folders(roles: Mapping[str, Any]) -> list[str]:
    """Where each test set's results are in the folder of a version, which is the first one's."""
    return ["", *(f"sets/{name}/" for name in test_sets(roles)[1:])]


def manifests(roles: Mapping[str, Any]) -> list[str]:
    """What the data step writes: a manifest of each role and, of several test sets, of each."""
    return [*ROLES, *(f"test-{name}" for name in test_sets(roles))]


def takers(roles: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Who takes images, by the name of its manifest; of several test sets, each for itself."""
    found = {role: roles[role] for role in ROLES if role != "test" or not test_sets(roles)}
    parts = roles["test"] if test_sets(roles) else ()
    return found | {f"test-{part['source']}": part for part in parts}


def used_sources(data: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Of `data`'s sources, those that a role takes, as far as there are such."""
    parts = takers(without_overruled(data["roles"])).values()
    used = dict.fromkeys(part["source"] for part in parts if "source" in part)
    return {name: data["sources"][name] for name in used if name in data["sources"]}


def without_overruled(roles: Mapping[str, Any]) -> dict[str, Any]:
    """Where an overlay adds `reuse` to a role, the `source` below it no longer counts."""
    return {
        name: {k: v for k, v in role.items() if k != "source"}
        if isinstance(role, Mapping) and "reuse" in role
        else role
        for name, role in roles.items()
    }


def check(roles: Mapping[str, Any], sources: Mapping[str, Any]) -> None:
    """Raise ConfigError if a role is missing, or names a source or role that it cannot have."""
    for role in ROLES:
        if role not in roles:
            raise ConfigError(f"config: data.roles.{role} is missing")
    names = test_sets(roles)
    if len(set(names)) < len(names):
        raise ConfigError("config: data.roles.test: each test set needs a source of its own")
    odd = [name for name in names if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)]
    if odd:
        raise ConfigError(
            f"config: data.roles.test: folders are called by the names of several test sets; "
            f"{odd[0]!r} has other characters than letters, digits, dots, _ and -"
        )
    for taker, wanted in takers(roles).items():
        role = taker.partition("-")[0]
        if "reuse" in wanted:
            _check_reuse(role, wanted, roles)
        elif wanted.get("source") not in sources:
            known = ", ".join(sources)
            raise ConfigError(
                f"config: data.roles.{role}.source: no source {wanted.get('source')!r} "
                f"among data.sources ({known})"
            )


def _check_reuse(role: str, wanted: Mapping[str, Any], roles: Mapping[str, Any]) -> None:
    other = wanted["reuse"]
    where = f"config: data.roles.{role}.reuse"
    if role not in TRAINING_ROLES:
        raise ConfigError(f"{where}: {role} images must not be seen in any other role")
    if other not in TRAINING_ROLES:
        raise ConfigError(f"{where}: {other!r} is not one of {', '.join(TRAINING_ROLES)}")
    if "reuse" in roles.get(other, {}):
        raise ConfigError(f"{where}: {other} has no images of its own, name the role it reuses")
