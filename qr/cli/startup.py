"""What a command leaves out when it imports other packages, so that it starts sooner.

CompressAI reads its data sets of point clouds when it is imported, for which it needs PyTorch
Geometric and torchvision, and Lightning asks TorchMetrics for its version. These three bring
torch's compiler with them, and no command uses any of them.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_LEFT_OUT = {
    "compressai": ("torch_geometric", "torchvision"),
    "lightning_fabric": ("torchmetrics",),
}


def lighten() -> None:
    """Let the first import of CompressAI and of Lightning do without those packages.

    Only theirs: whoever imports torchvision before or after it, such as a plugin, gets it.
    """
    if not any(isinstance(finder, _Importer) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Importer())


class _Importer(MetaPathFinder):
    """Finds the packages above, to be executed with stand-ins for what they leave out."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _LEFT_OUT:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Lightened(spec.loader, _LEFT_OUT[name])
        return spec


class _Lightened(Loader):
    """A package's loader that leaves packages out."""

    def __init__(self, loader: Loader, left_out: Sequence[str]):
        self.loader, self.left_out = loader, left_out

    def __getattr__(self, name: str) -> Any:  # what else loaders have, such as resources
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with _stood_in_for(self.left_out):
            self.loader.exec_module(module)


@contextmanager
def _stood_in_for(packages: Sequence[str]) -> Iterator[None]:
    """Stand-ins are imported in place of packages that are not imported yet, and forgotten."""
    finder = _StandIns([name for name in packages if name not in sys.modules])
    sys.meta_path.insert(0, finder)
    _Nothing.refused = False
    try:
        yield
    finally:
        _Nothing.refused = True
        sys.meta_path.remove(finder)
        for name in finder.made:
            del sys.modules[name]


class _StandIns(MetaPathFinder, Loader):
    """Makes modules that have whatever name is asked of them."""

    def __init__(self, packages: Sequence[str]):
        self.packages = packages
        self.made: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] not in self.packages:
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self.made.append(spec.name)
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Nothing,), {"__module__": self.__name__})


class _Nothing:
    """A class to inherit from, or a decorator that changes nothing: all that imports ask for."""

    refused = True

    def __init__(self, *arguments: Any, **options: Any):
        if self.refused:
            package = type(self).__module__.partition(".")[0]
            raise ImportError(
                f"{type(self).__module__}.{type(self).__name__} was left out when this command "
                f"started: a plugin that needs it imports {package} before CompressAI"
            )

    def __call__(self, decorated: Any) -> Any:
        return decorated
