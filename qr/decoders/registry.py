"""Networks and formulas that turn a decodable latent into a better guess of y.

One file per rectifier, named after it, in `rectifiers/`. Every rectifier is a module that takes
a `qr.codecs.latent.Latent` and returns y_tilde, N x M x h x w; one with a method `synthesize` also
makes the picture (see `qr.decoders.decoder.Decoder`). A file registers how to build it.
`qr.decoders.variants.Variant.rectifier` refers to it by name.
"""

from collections.abc import Callable
from importlib import import_module, resources
from pkgutil import iter_modules

from torch import nn

from qr.codecs.base import Codec
from qr.errors import ConfigError

Builder = Callable[..., nn.Module]
_BUILDERS: dict[str, Builder] = {}
_RECTIFIERS = "qr.decoders.rectifiers"


def register_rectifier(name: str) -> Callable[[Builder], Builder]:
    """Decorator: make `build(codec, width, **options) -> module` known by `name`.

    A variant that names it passes its options on. Raises ConfigError if the name is taken, be it
    by a file of this package that is not imported yet.
    """

    def register(builder: Builder) -> Builder:
        built_in = _module(name) not in (None, builder.__module__)
        if built_in or _BUILDERS.setdefault(name, builder) is not builder:
            raise ConfigError(f"another rectifier is already called {name!r}")
        return builder

    return register


def build_rectifier(name: str, codec: Codec, width: int, **options) -> nn.Module:
    """Build a rectifier for `codec`; raises ConfigError if none has that name."""
    module = _module(name)
    if name not in _BUILDERS and module:
        import_module(module)
    if name not in _BUILDERS:
        for file in iter_modules(import_module(_RECTIFIERS).__path__):  # each registers its own
            import_module(f"{_RECTIFIERS}.{file.name}")
        raise ConfigError(f"unknown rectifier {name!r}; known are: {', '.join(sorted(_BUILDERS))}")
    return _BUILDERS[name](codec, width, **options)


def _module(name: str) -> str | None:
    """The module of this package that bears the name, if there is one."""
    own = name.replace("-", "_")
    here = (resources.files(_RECTIFIERS) / f"{own}.py").is_file()
    return f"{_RECTIFIERS}.{own}" if here else None
