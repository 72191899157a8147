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


_HOMES = {
    "Analysis": "attribution.pipeline",
    "Evidence": "attribution.evidence",
    "Pipeline": "attribution.pipeline",
    "TelltaleError": "attribution.errors",
    "Unusable": "attribution.evidence",
    "analyse": "attribution.pipeline",
    "document": "attribution.evidence",
    "embedded": "attribution.detectors.loading",
    "examine": "attribution.pipeline",
    "load_pipeline": "attribution.pipeline",
    "read_document": "attribution.evidence",
}

__all__ = [
    "Analysis",
    "Evidence",
    "Pipeline",
    "TelltaleError",
    "Unusable",
    "__version__",
    "analyse",
    "document",
    "embedded",
    "examine",
    "load_pipeline",
    "read_document",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
