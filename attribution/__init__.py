"""Telltale: which method made or manipulated a face, and how far that answer can be trusted.

    from attribution import analyse, load_pipeline
    evidence = analyse("picture.jpg", load_pipeline())

The names are fetched when they are first used: importing the package itself costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from attribution.version import __version__

if TYPE_CHECKING:
    from attribution.detectors.loading import embedded
    from attribution.errors import TelltaleError
    from attribution.evidence import Evidence, Unusable, document, read_document
    from attribution.pipeline import Analysis, Pipeline, analyse, examine, load_pipeline

    Kit, load_kit = Pipeline, load_pipeline

_MODULES = {
    "errors": ("TelltaleError",),
    "evidence": ("Evidence", "Unusable", "document", "read_document"),
    "detectors.loading": ("embedded",),
    "pipeline": ("Analysis", "Pipeline", "analyse", "examine", "load_pipeline"),
}
_HOMES = {name: f"attribution.{module}" for module, names in _MODULES.items() for name in names}
# The names that came before, which stay.
_EARLIER = {"Kit": "Pipeline", "load_kit": "load_pipeline"}

__all__ = [
    "Analysis",
    "Evidence",
    "Kit",
    "Pipeline",
    "TelltaleError",
    "Unusable",
    "__version__",
    "analyse",
    "document",
    "embedded",
    "examine",
    "load_kit",
    "load_pipeline",
    "read_document",
]


def __getattr__(name: str) -> Any:
    name = _EARLIER.get(name, name)
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
