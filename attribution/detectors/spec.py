"""Which detectors somebody asked for: the first one, and any number beside it."""

from __future__ import annotations

from dataclasses import dataclass

from attribution.detectors.labels import MEANINGS
from attribution.errors import UnusableDetector
from attribution.evidence import VIEWS
from attribution.messages import gettext as _

_USE = _("Use one of: {names}.")


@dataclass(frozen=True)
class DetectorSpec:
    """A detector as somebody asked for it: NAME, DIR or `hf:owner/repo[@revision]`, and where it has no card of Telltale's perhaps what its
    labels mean (`label` → one of MEANINGS) and what it sees: `face`, `picture`, or "" for what its files say. Raises UnusableDetector."""

    name: str = "default"
    meanings: tuple[tuple[str, str], ...] = ()
    view: str = ""

    def __post_init__(self) -> None:
        for label, meaning in self.meanings:
            if meaning not in MEANINGS:
                what = _("“{meaning}” is no meaning of the label “{label}”.").format(meaning=meaning[:40], label=label[:40])
                raise UnusableDetector(what, _USE.format(names=", ".join(MEANINGS)))
        if self.view and self.view not in VIEWS:
            what = _("A detector sees a face or the whole picture, not “{view}”.").format(view=self.view[:40])
            raise UnusableDetector(what, _USE.format(names=", ".join(VIEWS)))


@dataclass(frozen=True)
class Selection:
    """The detector that answers, and those that are heard about the same faces, in that order."""

    first: DetectorSpec
    beside: tuple[DetectorSpec, ...] = ()

    @property
    def all(self) -> tuple[DetectorSpec, ...]:
        """The first one and those beside it."""
        return (self.first, *self.beside)


def read_meanings_flag(text: str) -> tuple[tuple[str, str], ...]:
    """`LABEL=MEANING,LABEL=MEANING` as pairs; raises UnusableDetector for anything else."""
    pairs = [part.rpartition("=") for part in text.split(",") if part.strip()]
    if any(not sign or not label.strip() for label, sign, _ in pairs):
        what = _("What labels mean is written as LABEL=MEANING,LABEL=MEANING.")
        raise UnusableDetector(what, _USE.format(names=", ".join(MEANINGS)))
    return tuple((label.strip(), meaning.strip()) for label, _, meaning in pairs)
