"""Sphinx: the pages of this folder, and the API from the package's docstrings."""

import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from docutils import nodes
from latex2mathml.converter import convert

from qr import __version__

# CompressAI's import; nothing that a reader could act upon.
warnings.filterwarnings("ignore", category=FutureWarning, module="torch.jit")

project = "qr-benchmark"
release = __version__
copyright = "the qr-benchmark authors, MIT licence"

extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "api/modules.rst"]
html_theme = "furo"
viewcode_follow_imported_members = False
html_extra_path = ["_extra"]  # the committed study's report, which `make docs` draws
html_title = f"qr {release}"
html_math_renderer = "mathml"  # which browsers draw by themselves, also without a network

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

default_role = "literal"  # docstrings put code in single backticks
napoleon_use_ivar = True
autodoc_typehints = "description"
autodoc_member_order = "bysource"
apidoc_modules = [
    {
        "path": "../qr",
        "destination": "api",
        "exclude_patterns": ["../qr/__main__.py", "../qr/cli*.py", "../qr/runtime_*.py"],
        "separate_modules": True,
        "module_first": True,
        "automodule_options": {"members", "show-inheritance"},
    }
]


def _inline(page, node):
    page.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _displayed(page, node):
    page.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (_inline, None), (_displayed, None))
