"""Limits measured here: how a detector does on files of somebody's own, in a card that is bound to its weights, to how faces are prepared
for it, to Telltale's code and to the list of those files; and the folder where such cards are kept."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from attribution.detectors import hub
from attribution.detectors.card import NEVER_ABOVE, NEVER_BELOW, MeasuredTable, Thresholds, check_fields, read_part
from attribution.detectors.loading import LoadedDetector
from attribution.errors import DamagedDetector, RefusedLimits, UnusableDetector
from attribution.messages import Message
from attribution.text import detectors as detector_text
from attribution.text import measuring as text
from attribution.text import numbers
from attribution.version import __version__

SCHEMA = "telltale-measured-here/1"
LEAST_OF_A_KIND, LEAST_TO_CALIBRATE = 50, 100
_PRODUCT = Path(__file__).resolve().parents[1]
# What a probability and a verdict depend on.
_DECIDING = ("detectors", "explain", "faces", "media", "models", "verdict", "pipeline.py")
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class LocalCard:
    """What was measured. `files` has a line for each file that was given, `<sha256> <real|manipulated> <group>`, sorted; `untouched` and
    `manipulated` count those of them that could be examined, `left_out` the others by why. A file counts as its most suspicious face.

    `wish` is the bound on errors that was asked for, which holds with a confidence of 95 % (Clopper and Pearson 1934, one-sided): of
    untouched files at most that share reaches `above`, of manipulated ones at most that share stays at `below` or under. Where it cannot
    be held they are None, and that state is never given. `accused`, `found`, `passed` and `cleared` are shares of these files at those
    thresholds. `worst_group` is the one of at least 10 files that is answered wrongly most often (`worst_share`) by thresholds that were
    chosen without it, "" where there is none. `temperature` is None where there are too few files to calibrate on."""

    name: str
    weights_sha256: str
    preparation_sha256: str
    code_sha256: str
    version: str
    date: str
    files: tuple[str, ...]
    untouched: int
    manipulated: int
    left_out: Mapping[str, int]
    wish: float
    above: float | None
    below: float | None
    temperature: float | None
    ece_before: float | None
    ece_after: float | None
    auc: tuple[float, ...]
    accused: float
    found: float
    passed: float
    cleared: float
    worst_group: str = ""
    worst_share: float | None = None
    tables: tuple[MeasuredTable, ...] = ()

    def __post_init__(self) -> None:
        shares = ("wish", "above", "below", "ece_before", "ece_after", "auc", "accused", "found", "passed", "cleared", "worst_share")
        check_fields(self, "limits.", temperature=(0.01, 100), **dict.fromkeys(shares, (0, 1)))

    @property
    def count(self) -> int:
        """Files that its figures rest on."""
        return self.untouched + self.manipulated

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the SHA-256 of them all."""
        plain = json.loads(json.dumps({"schema": SCHEMA, **asdict(self)}))
        return {**plain, "sha256": _digest(plain)}

    @staticmethod
    def from_json(data: Any) -> LocalCard:
        """Raises RefusedLimits for what is no such card, or was changed since it was written."""
        try:
            content = {name: value for name, value in data.items() if name != "sha256"}
            if data["sha256"] != _digest(content) or content.pop("schema") != SCHEMA:
                raise ValueError
            tables = tuple(read_part(MeasuredTable, one, "tables") for one in content["tables"])
            return read_part(LocalCard, {**content, "tables": tables}, "limits")
        except (DamagedDetector, LookupError, TypeError, ValueError, AttributeError) as error:
            raise RefusedLimits(text.ALTERED, text.MEASURE_AGAIN) from error

    def check(self, detector: LoadedDetector, together: bool) -> None:
        """Raises RefusedLimits unless it was measured with this very detector; `together`: with its experts."""
        for differs, why in (
            (self.weights_sha256 != detector.weights_sha256, text.OTHER_WEIGHTS.format(detector=detector.name)),
            (self.preparation_sha256 != preparation_sha256(detector, together), text.OTHER_PREPARATION.format(detector=detector.name)),
            (self.code_sha256 != code_sha256(), text.OTHER_CODE.format(version=self.version)),
        ):
            if differs:
                raise RefusedLimits(why, text.MEASURE_AGAIN)

    def limits(self) -> tuple[Message, ...]:
        """What it says, a plain sentence each."""
        wish, share = numbers.measured_share(self.wish), numbers.measured_share
        few = min(self.untouched, self.manipulated) < fewest_for(self.wish)
        calibration = (
            text.NOT_CALIBRATED.format(least=LEAST_TO_CALIBRATE)
            if self.temperature is None or self.ece_before is None or self.ece_after is None
            else text.CALIBRATED.format(t=numbers.hundredths(self.temperature), before=share(self.ece_before), after=share(self.ece_after))
        )
        counts = {"files": self.count, "untouched": self.untouched, "manipulated": self.manipulated}
        return (
            text.MEASURED.format(**counts, date=self.date, auc=numbers.decimal(self.auc[0], 3)),
            text.NEVER_ACCUSES.format(files=self.untouched, wish=wish)
            if self.above is None
            else text.ACCUSES.format(p=numbers.percent(self.above), wish=wish, errors=share(self.accused), found=share(self.found)),
            text.NEVER_CLEARS.format(files=self.manipulated, wish=wish)
            if self.below is None
            else text.CLEARS.format(p=numbers.percent(self.below), wish=wish, errors=share(self.passed), found=share(self.cleared)),
            *((text.TOO_FEW_FOR_WISH.format(wish=wish, least=fewest_for(self.wish)),) if few else ()),
            calibration,
            *((text.WORST_GROUP.format(group=self.worst_group, share=share(self.worst_share)),) if self.worst_share else ()),
            text.ALIKE,
        )


def fewest_for(wish: float) -> int:
    """The fewest files without a single error that bound errors at `wish` with a confidence of 95 %: 1 − 0.05^(1/n) ≤ wish."""
    count = 1
    while 1 - 0.05 ** (1 / count) > wish:
        count += 1
    return count


def limited(detector: LoadedDetector, local: LocalCard, together: bool) -> LoadedDetector:
    """The detector with these limits instead of its own; `together` with its experts, else alone. Raises RefusedLimits."""
    local.check(detector, together)
    card = detector.card
    if together and card.combination is not None:
        weights = tuple(weight / (local.temperature or 1.0) for weight in card.combination.manipulated)
        rule = replace(card.combination, manipulated=weights, thresholds=_thresholds(card.combination.thresholds, local))
        card = replace(card, combination=rule)
    else:
        kept = card.calibration.temperature if local.temperature is None else local.temperature
        calibration = replace(
            card.calibration, temperature=kept, ece_before=local.ece_before, ece_after=local.ece_after, measured_on="files of yours"
        )
        card = replace(card, calibration=calibration, thresholds=_thresholds(card.thresholds, local))
    own = tuple(one for one in card.limits if one not in detector_text.NEVER_MEASURED)
    between = (text.OWN_CARD,) if card.measured else ()
    card = replace(card, measured=(*local.tables, *card.measured), limits=(*local.limits(), *between, *own))
    info = replace(
        detector.info, limits=card.limits, measured=detector.info.measured or local.temperature is not None,
        measured_here=local.count, measured_here_on=local.date,
    )  # fmt: skip
    return replace(detector, card=card, info=info)


def as_measured(detector: LoadedDetector, together: bool) -> LoadedDetector:
    """The detector with the limits that were measured here, where they were. Those that cannot be used leave it its own, and a sentence."""
    try:
        local = find(detector.weights_sha256)
        return detector if local is None else limited(detector, local, together)
    except RefusedLimits as error:
        card = replace(detector.card, limits=(text.NOT_USED.format(why=error.sentence), *detector.card.limits))
        return replace(detector, card=card, info=replace(detector.info, limits=card.limits))


def _thresholds(own: Thresholds, local: LocalCard) -> Thresholds:
    above = NEVER_ABOVE if local.above is None else local.above
    below = NEVER_BELOW if local.below is None else local.below
    return replace(own, p_manipulated_above=above, p_manipulated_below=below)


def preparation_sha256(detector: LoadedDetector, together: bool) -> str:
    """Of everything beside weights and code that a probability depends on: crop, colours, what labels mean, calibration, rules of quality,
    and whether experts answer together with it."""
    said = ("name", "licence", "measured", "limits", "description", "training", "probes", "files")
    card = {name: value for name, value in detector.card.to_json().items() if name not in said}
    return _digest({"card": card, "mean": detector.mean, "std": detector.std, "together": together})


@cache
def code_sha256() -> str:
    """Of the modules that a probability and a verdict depend on."""
    found = hashlib.sha256(__version__.encode())
    for part in _DECIDING:
        path = _PRODUCT / part
        for module in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            found.update(module.relative_to(_PRODUCT).as_posix().encode() + b"\0" + module.read_bytes())
    return found.hexdigest()


def folder() -> Path:
    """Where cards and readings are kept: beside the Hub cache of this machine."""
    return Path(os.environ.get("HF_HOME") or constants.HF_HOME) / "telltale"


def find(weights_sha256: str) -> LocalCard | None:
    """The card that is kept for these weights; None where there is none. Raises RefusedLimits for one that cannot be used."""
    path = _place(weights_sha256)
    return read(path) if path.is_file() else None


def read(path: Path) -> LocalCard:
    """A card from a file. Raises RefusedLimits."""
    try:
        content = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
        return LocalCard.from_json(json.loads(content))
    except (OSError, ValueError, RecursionError) as error:
        raise RefusedLimits(text.ALTERED, text.MEASURE_AGAIN) from error


def keep(local: LocalCard) -> None:
    """From now on the detector answers with these limits. Raises UnusableDetector where the folder cannot be written."""
    with on_disk():
        hub.write(_place(local.weights_sha256), json.dumps(local.to_json()))


def forget(weights_sha256: str) -> bool:
    """The detector answers with its own limits again; whether there were others."""
    there = _place(weights_sha256).is_file()
    _place(weights_sha256).unlink(missing_ok=True)
    return there


@contextmanager
def on_disk() -> Iterator[None]:
    """Errors of the folder where cards and readings are kept as a sentence."""
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableDetector(text.CACHE, text.CACHE_STEP) from error


def _place(weights_sha256: str) -> Path:
    return folder() / "measured" / f"{weights_sha256}.json"


def _digest(plain: Mapping[str, Any] | Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
