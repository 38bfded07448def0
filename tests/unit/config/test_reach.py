"""What a step can reach: on small packages whose answer one sees."""

import pytest

from qr.config.reach import Sources, digest

BASE = {
    "__init__.py": "_HOMES = {'help': 'qr.tools.helper'}\n",
    "steps.py": """
import math
from qr import constants
from qr.tools import helper as tool

def step(x):
    \"\"\"Says what.\"\"\"
    return tool.help(x) + constants.OFFSET + _own(x)

def _own(x):
    return math.floor(x)

def other(x):
    return tool.unused(x)
""",
    "constants.py": "OFFSET = 1\nUNUSED = 2\n",
    "tools/__init__.py": "",
    "tools/helper.py": """
from qr.tools.deep import deepest

def help(x):
    return deepest(x)

def unused(x):
    return x
""",
    "tools/deep.py": """
_SCALE = 3

class Deepest:
    def value(self, x):
        return _SCALE * x

def deepest(x):
    return Deepest().value(x)
""",
}


@pytest.fixture
def package(tmp_path):
    """Writes a package `qr` of the base's files with some replaced; returns what is reached."""
    made = iter(range(1000))

    def write(**changed):
        folder = tmp_path / str(next(made)) / "qr"
        for name, text in (BASE | changed).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Sources(folder)

    return write


def reached(sources, *entries, inert=()):
    return sources.reached(entries or ["qr.steps:step"], inert)


def names(found):
    return {str(target) for target in found if target.name}


def edited(text, old, new):
    assert old in text
    return text.replace(old, new)


STEPS, HELPER, DEEP = BASE["steps.py"], BASE["tools/helper.py"], BASE["tools/deep.py"]


def test_all_that_a_function_refers_to_is_reached_and_nothing_else(package):
    assert names(reached(package())) == {
        "qr.steps:step", "qr.steps:_own", "qr.steps:math", "qr.constants:OFFSET",
        "qr.tools.helper:help", "qr.tools.deep:deepest", "qr.tools.deep:Deepest",
        "qr.tools.deep:_SCALE",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("steps.py", "+ constants.OFFSET", "- constants.OFFSET"),
        ("steps.py", "math.floor", "math.ceil"),
        ("steps.py", "import math", "import cmath as math"),
        ("constants.py", "OFFSET = 1", "OFFSET = 4"),
        ("constants.py", "UNUSED = 2", "UNUSED = 2\nOFFSET += UNUSED"),
        ("tools/deep.py", "_SCALE * x", "_SCALE - x"),
        ("tools/deep.py", "_SCALE = 3", "_SCALE = 3.0"),
        ("tools/deep.py", "class Deepest:", "class Deepest(dict):"),
        ("tools/deep.py", "    def value", "    @staticmethod\n    def value"),
        ("tools/deep.py", "def deepest(x)", "def deepest(x=1)"),
        ("tools/deep.py", "\n_SCALE", "\nprint('on import')\n_SCALE"),
    ],
)
def test_an_edit_of_what_is_reached_changes_the_digest(package, file, old, new):
    changed = {file: edited(BASE[file], old, new)}
    assert digest(reached(package(**changed))) != digest(reached(package()))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("steps.py", "tool.unused(x)", "tool.unused(x, 1)"),
        ("steps.py", "Says what.", "Says the same in other words."),
        ("steps.py", "def step(x):", "# why\ndef step(x: float) -> float:"),
        ("steps.py", "    return tool", "\n    return  tool"),
        ("constants.py", "UNUSED = 2", "UNUSED = 3"),
        ("tools/helper.py", "    return x", "    return -x"),
        ("tools/deep.py", "_SCALE = 3", "_SCALE: int = 3"),
        ("steps.py", "import math", "import math\nimport os"),
    ],
)  # fmt: skip
def test_no_other_edit_does(package, file, old, new):
    changed = {file: edited(BASE[file], old, new)}
    assert digest(reached(package(**changed))) == digest(reached(package()))


def test_a_definition_that_moves_changes_nothing(package):
    before = digest(reached(package()))
    moved = {
        "steps.py": STEPS.replace("helper as tool", "moved").replace("tool.", "moved."),
        "tools/moved.py": HELPER.replace("from qr.tools.deep import deepest", "")
        + DEEP.replace("_SCALE = 3\n", "from qr.constants import _SCALE\n"),
        "constants.py": "_SCALE = 3\n" + BASE["constants.py"],
    }
    assert digest(reached(package(**moved))) == before


def test_a_change_of_which_of_two_namesakes_is_meant_counts(package):
    both = {
        "one.py": "def f(): return 1\n", "two.py": "def f(): return 2\n",
        "steps.py": "from qr import one, two\ndef step(): return one.f() - two.f()\n",
    }  # fmt: skip
    swapped = both | {
        "steps.py": both["steps.py"].replace("one.f() - two.f()", "two.f() - one.f()")
    }
    only = both | {"steps.py": both["steps.py"].replace("two.f()", "one.f()")}
    found = {digest(reached(package(**files))) for files in (both, swapped, only)}
    assert len(found) == 3


@pytest.mark.parametrize(
    ("body", "means"),
    [
        ("from qr.tools import helper\n    return helper.help(x)", True),
        ("import qr.tools.helper\n    return qr.tools.helper.help(x)", True),
        ("import qr\n    return qr.help(x)", True),
        ("return [constants.OFFSET for constants in x]", False),
        ("return [c for c in constants.OFFSET]", True),
        ("constants = x\n    return constants.OFFSET", False),
        ("return (lambda constants: constants.OFFSET)(x)", False),
        ("return (lambda y=constants.OFFSET: y)(x)", True),
        ("def inner():\n        return constants.OFFSET\n    return inner", True),
        ("for constants in x:\n        pass\n    return constants.OFFSET", False),
        ("class Inner:\n        y = constants.OFFSET\n    return Inner", True),
        ("class Inner:\n        constants = 1\n        def f(self): return constants.OFFSET\n"
         "    return Inner", True),
        ("global constants\n    constants = constants.OFFSET", True),
        ("try:\n        pass\n    except E as constants:\n        return constants.OFFSET", False),
        ("match x:\n        case [constants]:\n            return constants.OFFSET", False),
    ],
)  # fmt: skip
def test_names_mean_what_they_mean_to_python(package, body, means):
    sources = package(**{"steps.py": f"from qr import constants\ndef step(x):\n    {body}\n"})
    wanted = {"qr.tools.helper:help", "qr.constants:OFFSET"}
    assert bool(names(reached(sources)) & wanted) is means


def test_a_module_that_is_handed_on_counts_whole(package):
    sources = package(
        **{"steps.py": "from qr import constants\ndef step(): return vars(constants)\n"}
    )
    assert {"qr.constants:OFFSET", "qr.constants:UNUSED"} <= names(reached(sources))


def test_a_public_name_leads_to_its_home(package):
    sources = package(**{"__init__.py": "_HOMES = {'help': 'qr.tools.helper'}\n",
                         "steps.py": "import qr\ndef step(): return qr.help\n"})  # fmt: skip
    assert "qr.tools.deep:Deepest" in names(reached(sources))


def test_relative_imports_and_names_passed_on(package):
    sources = package(**{
        "tools/helper.py": "from .deep import deepest\n",
        "steps.py": "from qr.tools.helper import deepest\ndef step(): return deepest\n",
    })  # fmt: skip
    assert "qr.tools.deep:Deepest" in names(reached(sources))


def test_what_is_inert_is_not_gone_through(package):
    found = names(reached(package(), inert=["qr.tools.helper", "qr.constants:OFFSET"]))
    assert found == {"qr.steps:step", "qr.steps:_own", "qr.steps:math"}


def test_a_file_from_elsewhere_counts_whole_and_with_what_it_reaches(package, tmp_path):
    plugin = tmp_path / "own.py"
    plugin.write_text("import qr\nfrom qr.tools import deep\nqr.register(deep.Deepest)\nX = 1\n")
    sources = package()
    found = reached(sources, sources.outside(str(plugin)))
    assert {"qr.tools.deep:Deepest", "qr.tools.deep:_SCALE"} <= names(found)
    first = digest(found)
    plugin.write_text(plugin.read_text().replace("X = 1", "X = 2"))
    again = package()
    assert digest(reached(again, again.outside(str(plugin)))) != first


def test_an_entry_that_is_not_there_is_an_error(package):
    with pytest.raises(LookupError, match=r"qr\.steps:nothing"):
        reached(package(), "qr.steps:nothing")
