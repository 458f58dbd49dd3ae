"""One file a model family, found by looking into this folder; see `network.Family`."""

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from backends.core.messages import InputError
from backends.core.model_io import ClipShape
from backends.models.network import Architecture, Builder, Family, Network, Shapes

LARGE = ClipShape(1, 512, 512)
"""Clips that every network can take, whatever its first stride: for whom the sizes within do not matter."""


def known() -> Mapping[str, Family]:
    return _scan(tuple(__path__))


@functools.cache
def _scan(folders: tuple[str, ...]) -> Mapping[str, Family]:
    names = sorted(module.name for module in pkgutil.iter_modules(folders))
    found = [importlib.import_module(f"{__name__}.{name}").FAMILY for name in names if not name.startswith("_")]
    return {family.name: family for family in found}


@functools.lru_cache(maxsize=8)
def network_of(architecture: Architecture, clip: ClipShape = LARGE) -> Network:
    """The network for clips of that shape. Raises InputError where they are too small for it."""
    builder = Builder(architecture, clip)
    known()[architecture.family].build(builder, architecture)
    return builder.finish()


def recognise(shapes: Shapes, named: str = "", depth: int | None = None) -> Architecture | None:
    """The network that has most of these tensors; None: that of no family.

    `named` is the family that the file calls itself: it counts where two fit alike.
    """
    best, most = None, 0
    for name, family in known().items():
        guessed = family.guess(shapes, depth)
        if guessed is None:
            continue
        try:
            wanted = network_of(guessed).tensors()
        except (InputError, ZeroDivisionError):  # of absurd shapes
            continue
        fitting = 2 * sum(shapes.get(tensor) == shape for tensor, shape in wanted.items()) + (name == named)
        if fitting > most:
            best, most = guessed, fitting
    return best


def offer() -> str:
    """What is known, for a message: `resnet 10 18 34, densenet 121`."""
    return ", ".join(f"{family.name} {' '.join(map(str, family.depths))}" for family in known().values())
