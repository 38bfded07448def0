"""A configuration says what it looks like, or is refused."""

import pytest

from qr.config import strict_yaml
from qr.errors import ConfigError


def read(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return strict_yaml.read(path)


def test_what_is_plain_is_read(tmp_path):
    text = """
        a: {one: 1, large: 1_000, small: 1.0e-4, negative: -0.5, nothing: null, zero: 0}
        b: ["010", '1e-4', text, true, 2.0]
        c: &shared {x: 1}
        d: {<<: *shared, x: 2}
    """
    assert read(tmp_path, text) == {
        "a": {"one": 1, "large": 1000, "small": 1e-4, "negative": -0.5, "nothing": None, "zero": 0},
        "b": ["010", "1e-4", "text", True, 2.0],
        "c": {"x": 1},
        "d": {"x": 2},
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' occurs twice"),
        ("a:\n  b: 1\n  b: 1", "line 3: the key 'b' occurs twice"),
        ("a: [{b: 1, b: 2}]", "line 1: the key 'b' occurs twice"),
        ("a: 010", "line 1: YAML takes 010 for an octal number"),
        ("a: 1:30", "line 1: YAML takes 1:30 for a sexagesimal number"),
        ("a: 1:30.5", "sexagesimal"),
        ("a: .nan", r"line 1: \.nan is no finite number"),
        ("a: -.inf", "no finite number"),
        ("a: 1e-4", r"line 1: YAML takes 1e-4 for a text: write 1\.0e-4"),
        ("a: 1.5e3", r"write 1\.5e\+3"),
        ("a: 2E5", r"write 2\.0e\+5"),
        ("a: [1", "yaml: line 1, column 6: while parsing a flow sequence, expected ',' or ']'"),
        ("a: \t- b", "cannot read the configuration .*: line 1, column 4: "),
        ("a: !!python/object:os.system x", "cannot read the configuration"),
        ("[" * 5000, "cannot read the configuration"),
        ("a: {[1]: 2, {b: 1}: 3}", "cannot read the configuration"),
        ("a: 2026-99-99", "cannot read the configuration"),
        ("a: &x [*x]\nb: *y", "cannot read the configuration"),
        ("b: 1\na: \x00", "yaml: line 2, column 4: special characters are not allowed"),
        ("- a", "holds no keys"),
        ("", "holds no keys"),
    ],
)
def test_what_is_not_what_it_looks_like_is_named(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says) as caught:
        read(tmp_path, text)
    told = str(caught.value)
    assert "mine.yaml" in told and "\n" not in told and "unicode string" not in told


def test_what_is_no_text_is_named(tmp_path):
    (tmp_path / "mine.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        strict_yaml.read(tmp_path / "mine.yaml")
