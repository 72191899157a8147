"""Words for numbers. Every probability, share, moment and size that a person reads is written here."""

from collections.abc import Sequence
from typing import Any

SECONDS, MINUTES = "{seconds} s", "{minutes}:{seconds}"
MOMENT = "{moment}: {p}"
SIZES = ((1e9, "{size} GB"), (1e6, "{size} MB"), (1e3, "{size} kB"))
SIZE_UNKNOWN = "The Hub says so when you look it up"
FALLS, RISES, STAYS = "falls by {points}", "rises by {points}", "does not move"


def percent(p: float) -> str:
    """A probability for people. It never says 0 or 100 per cent: no detector is sure."""
    if p > 0.99:
        return "over 99 %"
    return "under 1 %" if p < 0.01 else f"{100 * p:.0f} %"


def measured_share(value: float) -> str:
    """A measured share: `1.6 %`, `45 %`, `0 %`. Unlike a probability, a count may be none or all."""
    return f"{share_digits(value)} %"


def share_digits(value: float) -> str:
    """A measured share in per cent without the sign: one decimal below ten and above ninety per cent, where it matters."""
    per_cent = 100 * value
    rounded = f"{per_cent:.1f}" if round(abs(per_cent), 1) < 10 or 90 < round(per_cent, 1) < 100 else f"{per_cent:.0f}"
    return signed(rounded.removesuffix(".0"))


def signed(words: str) -> str:
    """A number with a proper minus sign, and none before a zero."""
    return "0" if words in ("-0", "-0.0", "-0.00", "-0.000", "0.000") else words.replace("-", "−")


def confidence_words(p: float) -> str:
    """How sure, in a word; the steps are ours and say no more than the number."""
    steps = ((0.98, "Very high"), (0.9, "High"), (0.75, "Moderate"))
    return next((words for least, words in steps if p >= least), "Low")


def seconds(value: float) -> str:
    """A moment of a clip: `3.4 s`, `1:05.2`."""
    rounded = round(value, 1)
    if rounded < 60:
        return SECONDS.format(seconds=f"{rounded:.1f}")
    minutes, rest = divmod(rounded, 60)
    return MINUTES.format(minutes=f"{minutes:.0f}", seconds=f"{rest:04.1f}")


def size(count: int | None) -> str:
    """Bytes for people: `12.3 MB`, or that nobody knows yet."""
    if count is None:
        return SIZE_UNKNOWN
    return next((words.format(size=f"{count / factor:.1f}") for factor, words in SIZES if count >= factor), f"{count} bytes")


def exact_size(count: int) -> str:
    """Bytes for people and for the record: `61.3 kB (61,306 bytes)`."""
    exact = "1 byte" if count == 1 else f"{count:,} bytes"
    return f"{size(count)} ({exact})" if count >= 1000 else exact


def cell(value: str | float | None) -> str:
    """A cell of a measured table."""
    if value is None or isinstance(value, str):
        return "–" if value is None else value
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}" if abs(value) >= 1 else f"{value:.2f}"


def change(drop: float) -> str:
    """A fall of a probability in [-1, 1], in points of a hundred."""
    points = round(abs(drop) * 100)
    return (STAYS if points == 0 else FALLS if drop > 0 else RISES).format(points="1 point" if points == 1 else f"{points} points")


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def for_script() -> dict[str, Any]:
    """What the page's script needs to write moments and sizes in the same words."""
    return {"seconds": SECONDS, "minutes": MINUTES, "moment": MOMENT, "sizes": SIZES}
