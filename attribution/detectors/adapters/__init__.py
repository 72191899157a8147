"""Public detector formats, each read into the one form that Telltale builds: a timm architecture on the allow-list with tensors of timm's
names and shapes.

An adapter recognises its format by the config, accounts for every tensor exactly once, and refuses what it does not understand with a
sentence: nothing is guessed, nothing is dropped that is not named in its code, and no code of the repository is ever run. Names and shapes
are compared with the architecture before memory is asked for."""

from __future__ import annotations

from attribution.detectors.adapters import hf, hf_swin, wrapped
from attribution.detectors.adapters.parts import Adapted, Source
from attribution.errors import UnusableDetector
from attribution.messages import gettext as _

__all__ = ["FORMATS", "Adapted", "Source", "adapt"]

# In the order in which they are asked; the last takes what names an architecture and is none of the others.
_FORMATS = (hf.VIT, hf_swin.SWIN, hf.SIGLIP, wrapped.TIMM, wrapped.MIXIN, wrapped.PREFIXED)
FORMATS = tuple(one.name for one in _FORMATS)


def adapt(source: Source) -> Adapted:
    """What the first adapter that recognises the files makes of them. Raises UnusableDetector or DamagedDetector with the reason."""
    for one in _FORMATS:
        if one.recognises(source):
            return one.adapt(source)
    kind = source.config.get("model_type")
    said = f"model_type {kind[:40]!r}" if isinstance(kind, str) else "–"
    what = _("The detector is in none of the formats that Telltale reads (config.json: {said}).").format(said=said)
    raise UnusableDetector(what, _("These are: {formats}.").format(formats=", ".join(FORMATS)))
