"""Public detector formats, each read by a small file of its own into the one form that Telltale builds: a timm architecture on the
allow-list with tensors of timm's names and shapes.

An adapter recognises its format by the config, accounts for every tensor exactly once, and refuses what it does not understand with a
sentence: nothing is guessed, nothing is dropped that is not named in its code, and no code of the repository is ever run. Names and shapes
are compared with the architecture before memory is asked for.
"""

from __future__ import annotations

from attribution.detectors.adapters import hf_siglip, hf_swin, hf_vit, mixin, prefixed, timm_hub
from attribution.detectors.adapters.parts import Adapted, Source
from attribution.errors import UnusableDetector

__all__ = ["FORMATS", "Adapted", "Source", "adapt"]

# In the order in which they are asked; `prefixed` takes what names an architecture and is none of the others.
_ADAPTERS = (hf_vit, hf_swin, hf_siglip, timm_hub, mixin, prefixed)
FORMATS = tuple(adapter.FORMAT for adapter in _ADAPTERS)


def adapt(source: Source) -> Adapted:
    """What the first adapter that recognises the files makes of them. Raises UnusableDetector or DamagedDetector with the reason."""
    for adapter in _ADAPTERS:
        if adapter.recognises(source):
            return adapter.adapt(source)
    kind = source.config.get("model_type")
    said = f" (its config.json says model_type {kind[:40]!r})" if isinstance(kind, str) else ""
    raise UnusableDetector(f"The detector is in none of the formats that Telltale reads{said}.", f"These are: {', '.join(FORMATS)}.")
