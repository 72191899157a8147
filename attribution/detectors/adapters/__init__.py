"""Public detector formats, each read by the library that it comes from: transformers' classes, or any architecture that timm lists.

An adapter recognises its format by the config, accounts for every tensor, and refuses what it does not understand with a sentence: nothing
is guessed, nothing is dropped that is not named in its code, and no code of the repository is ever run. What a config asks for is compared
with what its file holds before memory is asked for."""

from __future__ import annotations

from attribution.detectors.adapters import gend, hf, wrapped
from attribution.detectors.adapters.parts import Adapted, Source
from attribution.errors import UnusableDetector
from attribution.messages import gettext as _

__all__ = ["FORMATS", "Adapted", "Source", "adapt"]

# In the order in which they are asked; the last takes what names an architecture and is none of the others.
_FORMATS = (hf.TRANSFORMERS, gend.GEND, wrapped.TIMM, wrapped.MIXIN, wrapped.PREFIXED)
FORMATS = tuple(one.name for one in _FORMATS)


def adapt(source: Source) -> Adapted:
    """What the first adapter that recognises the files makes of them. Raises UnusableDetector or DamagedDetector with the reason."""
    for one in _FORMATS:
        if one.recognises(source):
            return one.adapt(source)
    kind = source.config.get("model_type")
    said = f"model_type {kind[:40]!r}" if isinstance(kind, str) else "–"
    what = _("The detector is in none of the formats that Telltale reads (config.json: {said}).").format(said=said)
    listed = [f"transformers ({', '.join(hf.CLASSES)})", *FORMATS[1:]]
    raise UnusableDetector(what, _("These are: {formats}.").format(formats=", ".join(listed)))
