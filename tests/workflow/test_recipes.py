"""Recipes of docs/contributing.md, followed on a copy of the tree: what they name is enough."""

import json
import os
import re
import subprocess
import sys

import pytest

from support.paths import ROOT
from support.photographs import photograph

SMOKE = ROOT / "workflow" / "tiers" / "smoke.yaml"
RECIPES = (ROOT / "docs" / "contributing.md").read_text()
TRAINING = {"baseline", "explore", "soft", "predictive"}


class Recipe:
    """One recipe, followed in a workspace: only files that it names can be edited."""

    def __init__(self, workspace, heading):
        self.workspace, self.folder = workspace, workspace.folder
        self.named = set(re.findall(r"`([\w/.]+\.(?:py|yaml))`", section(heading)))

    def insert(self, name, before, new):
        """Put `new` in front of a text that stands in the file `name` once."""
        assert name in self.named, f"the recipe does not name {name}"
        path = self.folder / name
        text = path.read_text()
        assert text.count(before) == 1, (name, before)
        path.write_text(text.replace(before, new + before))

    def ask(self, question):
        """What Python prints in the copy, as JSON."""
        environment = os.environ | {"PYTHONPATH": str(self.folder)}
        command = [sys.executable, "-c", question]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def section(heading):
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", RECIPES, re.MULTILINE | re.DOTALL)[1]


@pytest.fixture
def follow(workspace):
    return lambda heading: Recipe(workspace, heading)


CODE = """
import json
from qr.config import steps
print(json.dumps({s: steps.code(s, ("qr", "decoder")) for s in steps.STEPS}))
"""


def changed(before, after):
    return {name for name in before if before[name] != after[name]}


def test_a_variant_is_trained_decoded_and_drawn_and_leaves_the_others_alone(follow):
    recipe = follow("A variant")
    code = recipe.ask(CODE)
    line = '        Variant("qr-more", "QR, more", "qr", {}, BOTH, guided=False),\n'
    recipe.insert("qr/decoders/variants.py", '        Variant("latent-shift"', line)
    (recipe.folder / "mine.yaml").write_text("variants: [baseline, decoder, qr-more]")

    overlays = ["--configfile", str(SMOKE), "mine.yaml"]
    output = recipe.workspace.snakemake("all", "-n", "-p", *overlays).stdout

    trained = re.findall(r"--variant (\S+) --seed .* --out (\S+)", output)
    ours = [out for variant, out in trained if variant == "qr-more"]
    assert len(ours) == len(trained) / 2 > 0
    decoded = re.findall(r"-m qr decode .*", output)
    assert decoded and all("qr-more_s0/decoder.safetensors" in line for line in decoded)
    looks = "from qr.present import labels, style; import json; NAMES = 'qr-more', 'qr'; "
    looks += "print(json.dumps([labels.variant('qr-more'), *map(style.variant, NAMES)]))"
    label, look, paper = recipe.ask(looks)
    assert label == "QR, more"
    assert look.keys() == paper.keys() and look != paper
    assert not changed(code, recipe.ask(CODE)) & (TRAINING | {"encode", "decode"})


SETTINGS = """
import json
from qr.codecs.catalogue import CodecId
from qr.config import load, settings, steps
from qr.config.grid import Grid

def digests(config):
    grid, codec = Grid(config), CodecId("mbt2018", "mse", 3)
    return {step: steps.settings_digest(step, grid, codec) for step in steps.STEPS}

config = load.load("config.yaml")
found = [digests(config)]
for overlay in OVERLAYS:
    other = settings.overlay(config, overlay)
    load.accept(other)
    found.append(digests(other))
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("before", "line", "schema", "overlay", "steps"),
    [
        (
            "  clip_grad_norm: 1.0",
            "  weight_decay: 0.0\n",
            ("      clip_grad_norm: {type", "      weight_decay: {type: number, minimum: 0}\n"),
            {"training": {"weight_decay": 0.1}},
            TRAINING,
        ),
        (
            "  distance: l2",
            "  heads: 4\n",
            ("      distance: {enum", "      heads: {type: integer, minimum: 1}\n"),
            {"rectifier": {"heads": 8}},
            TRAINING - {"baseline"},
        ),
        (
            "  rounds: 20",
            "  threads: 1\n",
            ("      rounds: {type", "      threads: {type: integer, minimum: 1}\n"),
            {"runtime": {"threads": 2}},
            {"runtime"},
        ),
    ],
)
def test_a_configuration_key_is_accepted_and_counts_where_its_section_is_read(
    follow, before, line, schema, overlay, steps
):
    recipe = follow("A configuration key")
    recipe.insert("config.yaml", before, line)
    with pytest.raises(AssertionError, match="was unexpected"):
        recipe.ask(SETTINGS.replace("OVERLAYS", "[]"))
    recipe.insert("qr/schemas/config.schema.yaml", *schema)

    as_it_is, other = recipe.ask(SETTINGS.replace("OVERLAYS", repr([overlay])))

    assert changed(as_it_is, other) == steps


def test_a_kind_of_source_gives_its_images_to_the_roles(follow):
    from PIL import Image

    recipe = follow("A kind of data source")
    schema = "qr/schemas/config.schema.yaml"
    branch = '    elif "list" in source:\n'
    branch += '        files = [base / n for n in (base / source["list"]).read_text().split()]\n'
    recipe.insert("qr/data/sources.py", '    elif "urls" in source:\n', branch)
    recipe.insert(schema, "required: [folder]", "required: [list], ")
    recipe.insert(schema, "            folder: {type", "            list: {type: string}\n")
    names = [f"{number}.png" for number in range(3)]
    for number, name in enumerate(names):
        Image.fromarray(photograph(70, 80, number)).save(recipe.folder / name)
    (recipe.folder / "mine.txt").write_text("\n".join(names))
    roles = {role: {"reuse": "baseline"} for role in ("exploration", "predictive")}
    roles |= {role: {"source": "listed"} for role in ("baseline", "validation", "test")}
    data = {"sources": {"listed": {"list": "mine.txt"}}, "roles": roles}
    (recipe.folder / "mine.yaml").write_text(json.dumps({"data": data}))

    command = ["data", "-c", "config.yaml", "-c", "mine.yaml", "--out", "out", "--downloads", "d"]
    found = recipe.ask(
        f"import sys; sys.argv[1:] = {command}\n"
        "from qr.cli.main import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        "import json, csv\n"
        "rows = {r: list(csv.DictReader(open(f'out/{r}.csv'))) for r in ('baseline', 'test')}\n"
        "print(json.dumps({r: [row['path'] for row in found] for r, found in rows.items()}))"
    )

    assert {role: len(paths) for role, paths in found.items()} == {"baseline": 1, "test": 1}
    assert {path.rpartition("/")[2] for paths in found.values() for path in paths} < set(names)
