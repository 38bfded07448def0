"""A command starts without packages that it does not use, and nobody else misses them."""

import os
import subprocess
import sys

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


def test_coding_does_without_the_compiler():
    absent = "['torch._dynamo', 'torch_geometric', 'torchvision', 'torchmetrics', 'sympy']"
    assert said(f"import qr.measure.steps; print(*[m for m in {absent} if m in sys.modules])") == []


def test_training_does_without_metrics_of_others():
    code = "import qr.train.steps; print(*[m for m in sys.modules if m.startswith('torchmetrics')])"
    assert said(code) == []


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
