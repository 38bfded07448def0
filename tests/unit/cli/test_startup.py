"""A command starts without packages that it does not use, and nobody else misses them."""

import os
import subprocess
import sys

import pytest

from support.paths import ROOT

BEGIN = "from qr.cli import startup; startup.lighten(); import sys, warnings; "
BEGIN += "warnings.simplefilter('ignore'); "


def said(code):
    """What Python prints, begun as a command begins."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", BEGIN + code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    "module",
    ["cli.main", "coding.arguments", "measure.tables", "archive.export", "present.write"],
)
def test_what_needs_no_model_does_without_torch(module):
    assert said(f"import qr.{module}; print(*[m for m in ['torch'] if m in sys.modules])") == []


def test_help_and_plan_do_without_arrays():
    absent = "['torch', 'numpy', 'pandas', 'scipy', 'PIL', 'matplotlib']"
    code = "import qr.cli.main, qr.config.load, qr.plan.forecast; "
    assert said(f"{code} print(*[m for m in {absent} if m in sys.modules])") == []


def test_coding_does_without_the_compiler():
    absent = "['torch._dynamo', 'torch_geometric', 'torchvision', 'torchmetrics', 'sympy']"
    assert said(f"import qr.measure.steps; print(*[m for m in {absent} if m in sys.modules])") == []


STEPS = """
import torch, lightning_fabric, qr.train.steps
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
fabric = lightning_fabric.Fabric(accelerator='cpu')
wrapped, optimizer = fabric.setup(model, optimizer)
def step():
    optimizer.zero_grad()
    fabric.backward(wrapped(torch.ones(3, 2)).sum())
    optimizer.step()
    assert torch.is_grad_enabled() and model.weight.grad.abs().sum() > 0
step()
"""


def test_training_does_without_metrics_of_others_and_the_compiler():
    absent = "['torchmetrics', 'torch._dynamo', 'sympy', 'scipy.stats']"
    code = f"{STEPS}\nprint(*[m for m in {absent} if m in sys.modules])"
    assert said(f"exec({code!r})") == []


def test_steps_are_the_same_with_and_without_the_compiler():
    """Beginning at the same weights; the compiler is imported before the second and third."""
    code = STEPS.replace("model = ", "torch.manual_seed(0)\nmodel = ")
    code += "import torch._dynamo\nstep(); step(); print(model.weight.tolist())"
    plain = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert said(f"exec({code!r})") == plain.stdout.split() != []


def test_who_compiles_gets_the_compiler():
    code = f"{STEPS}\nmodel = torch.compile(model, backend='eager')\nstep()\n"
    code += "wrapped = fabric.setup_module(model); step()\n"
    code += "graphs = torch._dynamo.utils.counters['stats']['unique_graphs']\n"
    code += "print(torch._dynamo.__file__, type(model).__name__, graphs)"
    file, kind, graphs = said(f"exec({code!r})")
    assert file.endswith("__init__.py") and kind == "OptimizedModule" and int(graphs) > 0


def test_quantiles_of_new_tables_are_those_of_scipy():
    code = "import compressai; from compressai.entropy_models import GaussianConditional as g; "
    code += "print(float(g._standardized_quantile(0.025)))"
    assert abs(float(*said(code)) + 1.959963984540054) < 1e-12


def test_who_imports_them_afterwards_gets_them():
    code = "import compressai, lightning_fabric, torch, torchvision; "
    code += "import torchvision.transforms.functional as f; "
    code += "print(f.hflip(torch.arange(2)[None, None]).tolist(), torchvision.__file__)"
    *flipped, file = said(code)
    assert flipped == ["[[[1,", "0]]]"] and file.endswith("__init__.py")


def test_who_imported_them_before_keeps_them():
    code = "import torchvision; before = torchvision; import compressai; "
    code += "print(sys.modules['torchvision'] is before, compressai.datasets.image.Image.__name__)"
    assert said(code) == ["True", "PIL.Image"]


def test_what_was_left_out_is_refused_when_it_is_used():
    code = "from compressai.registry.transforms import torchvision\n"
    code += "try: torchvision.transforms.ToTensor()\nexcept ImportError as error: print(error)"
    assert "imports torchvision before CompressAI" in " ".join(said(f"exec({code!r})"))


def test_models_of_compressai_are_the_same():
    """The stand-ins reach nothing that computes: every architecture can be built."""
    code = "from compressai.zoo.image import model_architectures as a; "
    code += "print(len(a), sum(p.numel() for p in a['mbt2018'](N=8, M=8).parameters()))"
    light = said(code)
    plain = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    assert light == plain.stdout.split() and int(light[0]) > 5
