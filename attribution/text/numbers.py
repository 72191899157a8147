"""Words for numbers. Every probability, share, moment and size that a person reads is written here, as the reader's language writes it.

Figures that stand in one sentence are `told_apart`: a value that missed a limit never reads as if it had reached it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from babel.lists import format_list
from babel.numbers import format_decimal, format_percent

from attribution.messages import Figure, Message, Words, language, ngettext, said, whole
from attribution.messages import gettext as _

SECONDS, MINUTES = _("{seconds} s"), _("{minutes}:{seconds}")
MOMENT = _("{moment}: {p}")
SIZES = ((1e9, _("{size} GB")), (1e6, _("{size} MB")), (1e3, _("{size} kB")))
SIZE_UNKNOWN = _("The Hub says so when you look it up")
OVER, UNDER = _("over {share}"), _("under {share}")
EXACT_SIZE = _("{size} ({exact})")
CONFIDENCES = ((0.98, _("Very high")), (0.9, _("High")), (0.75, _("Moderate")), (0.0, _("Low")))


# Doubles have no more.
_MOST_DIGITS = 15


def told_apart(write: Callable[[float, int], Figure], values: Mapping[str, float]) -> dict[str, Figure]:
    """Figures of one kind that stand in one sentence, all with the same number of digits: as many further ones than usual (the second
    argument of `write`) as it takes for different values to be written differently. Rounding keeps their order, so that this is enough."""
    return {name: write(value, _further(write, values.values())) for name, value in values.items()}


def _further(write: Callable[[float, int], Figure], values: Iterable[float]) -> int:
    different = set(values)
    apart = (further for further in range(_MOST_DIGITS) if len({write(value, further) for value in different}) == len(different))
    return next(apart, _MOST_DIGITS)


def decimal(value: float, digits: int, further: int = 0) -> Figure:
    """A number with so many decimals, and up to so many `further` ones where they are not zero."""
    return Figure(partial(_decimal, digits, further), value)


def per_cent(share: float, digits: int = 0, further: int = 0) -> Figure:
    """A share of one, in per cent, with decimals likewise."""
    return Figure(partial(_per_cent, digits, further), share)


# A page of measurements writes thousands of numbers, many of them alike.
@lru_cache(maxsize=8192)
def _decimal(digits: int, further: int, code: str, value: float) -> str:
    decimals = f".{'0' * digits}{'#' * further}" if digits + further else ""
    return signed(format_decimal(round(value, digits + further), format=f"#,##0{decimals}", locale=code))


@lru_cache(maxsize=8192)
def _per_cent(digits: int, further: int, code: str, share: float) -> str:
    # In English with a space, as the International System of Units has it.
    tail = " %" if code == "en" else format_percent(0.5, locale=code).partition("50")[2]
    return f"{_decimal(digits, further, code, 100 * share)}{tail}"


def rounded(value: float, further: int = 0) -> Figure:
    """A measure of which only whole numbers matter."""
    return decimal(value, 0, further)


def hundredths(value: float, further: int = 0) -> Figure:
    """A measure with two decimals."""
    return decimal(value, 2, further)


def pixels(count: int) -> Figure:
    """A side of a picture, which nobody writes with separators."""
    return Figure(_pixels, count)


def _pixels(code: str, count: int) -> str:
    return format_decimal(count, format="0", locale=code)


def significant(value: float, further: int = 0) -> Figure:
    """A measure with three digits, wherever they stand."""
    return Figure(partial(_significant, further), value)


def _significant(further: int, code: str, value: float) -> str:
    return signed(format_decimal(float(f"{value:.{3 + further}g}"), format=f"#,##0.{'#' * _MOST_DIGITS}", locale=code))


def percent(p: float, further: int = 0) -> Figure:
    """A probability for people. It never says 0 or 100 per cent: no detector is sure."""
    return Figure(partial(_percent, further), p)


def _percent(further: int, code: str, p: float) -> str:
    least = 10.0 ** -(2 + further)
    if p > 1 - least:
        return _in(code, OVER.format(share=per_cent(1 - least, further)))
    return _in(code, UNDER.format(share=per_cent(least, further)) if p < least else per_cent(p, 0, further))


def _in(code: str, words: Words) -> str:
    # A figure is written in English and in the reader's language, and in no other.
    return str(words) if code == "en" else words.said()


def shares(named: Sequence[tuple[str, float]]) -> Figure:
    """Methods with their probabilities: `GAN 48 %, diffusion 41 %`."""
    return Figure(_shares, tuple((name, p) for name, p in named))


def _shares(code: str, named: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {_percent(0, code, p)}" for name, p in named)


def short_percent(p: float) -> Figure:
    """The same where there is little room: `93 %`, `> 99 %`, `< 1 %`."""
    return Figure(_short_percent, p)


def _short_percent(code: str, p: float) -> str:
    bound, sign = (0.99, "> ") if p > 0.99 else (0.01, "< ") if p < 0.01 else (p, "")
    return sign + _per_cent(0, 0, code, bound)


def measured_share(value: float) -> Figure:
    """A measured share: `1.6 %`, `45 %`, `0 %`. Unlike a probability, a count may be none or all."""
    return per_cent(value, _share_digits(value))


def share_digits(value: float) -> Figure:
    """A measured share in per cent without the sign: one decimal below ten and above ninety per cent, where it matters."""
    return decimal(100 * value, _share_digits(value))


def _share_digits(value: float) -> int:
    per_cent = round(100 * value, 1)
    return 0 if per_cent == round(per_cent) or (abs(per_cent) >= 10 and not 90 < per_cent < 100) else 1


def signed(words: str) -> str:
    """A number with a proper minus sign, and none before a zero."""
    return "0" if words in ("-0", "-0.0", "-0.00", "-0.000", "0.000") else words.replace("-", "−")


def confidence_words(p: float) -> Message:
    """How sure, in a word; the steps are ours and say no more than the number as it is written."""
    return next((words for least, words in CONFIDENCES if round(p, 2) >= least), CONFIDENCES[-1][1])


def seconds(value: float, further: int = 0) -> Figure:
    """A moment of a clip, or a length: `3.4 s`, `1:05.2`; `0.04 s`, because what takes time never reads as if it took none."""
    return Figure(partial(_seconds, further), value)


def _seconds(further: int, code: str, value: float) -> str:
    # The place of the first digit that is not zero.
    further = max(further, -math.floor(math.log10(value)) - 1 if 0 < value < 0.05 else 0)
    minutes, rest = divmod(round(value, 1 + further), 60)
    if not minutes:
        return _in(code, SECONDS.format(seconds=decimal(rest, 1, further)))
    return _in(code, MINUTES.format(minutes=int(minutes), seconds=Figure(partial(_two_digits, further), rest)))


def spans(times: Sequence[tuple[float, float]]) -> Figure:
    """Stretches of a clip, the first three of them: `3.0 s – 4.9 s, 7.0 s – 8.1 s`."""
    return Figure(_spans, tuple((first, last) for first, last in times))


def _spans(code: str, times: Sequence[tuple[float, float]]) -> str:
    further = _further(seconds, (moment for span in times[:3] for moment in span))
    shown = [f"{_seconds(further, code, first)} – {_seconds(further, code, last)}" for first, last in times[:3]]
    return ", ".join([*shown, *("…" for _ in times[3:4])])


def whole_seconds(value: float) -> Message:
    """How long something takes, without parts of a second: `3 s`, `1:05`."""
    minutes, rest = divmod(int(value), 60)
    return MINUTES.format(minutes=minutes, seconds=Figure(_padded, rest)) if minutes else SECONDS.format(seconds=rest)


def _padded(code: str, value: int) -> str:
    return format_decimal(value, format="00", locale=code)


def _two_digits(further: int, code: str, value: float) -> str:
    return format_decimal(round(value, 1 + further), format=f"00.0{'#' * further}", locale=code)


def size(count: int | None) -> Message:
    """Bytes for people: `12.3 MB`, or that nobody knows yet."""
    if count is None:
        return SIZE_UNKNOWN
    found = next((words.format(size=decimal(count / factor, 1)) for factor, words in SIZES if count >= factor), None)
    return found or count_of_bytes(count)


def count_of_bytes(count: int) -> Message:
    return ngettext("{count} byte", "{count} bytes", count).format(count=count)


def exact_size(count: int) -> Message:
    """Bytes for people and for the record: `61.3 kB (61,306 bytes)`."""
    exact = count_of_bytes(count)
    return EXACT_SIZE.format(size=size(count), exact=exact) if count >= 1000 else exact


def cell(value: str | float | None) -> str:
    """A cell of a measured table."""
    if value is None or isinstance(value, str):
        return "–" if value is None else value
    return Figure(_whole, value) if isinstance(value, int) else f"{value:.3g}" if abs(value) >= 1 else decimal(value, 2)


def _whole(code: str, value: int) -> str:
    return whole(value, code)


def fold(fall: float) -> Figure:
    """A fall of log-odds (natural) as a factor of the odds: `1.3`, `40`; `0.5` where they rise."""
    factor = math.exp(min(fall, math.log(1e6)))
    return decimal(float(f"{factor:.2g}"), 0 if factor >= 9.5 else 1)


def listed(words: Sequence[str]) -> Figure:
    """`a`, `a and b`, `a, b and c`."""
    return Figure(_listed, tuple(words))


def _listed(code: str, words: Sequence[str]) -> str:
    if code == "en":
        plain = [str(one) for one in words]
        return " and ".join([", ".join(plain[:-1]), plain[-1]] if len(plain) > 1 else plain)
    return format_list([said(one) for one in words], locale=code)


def for_script() -> dict[str, Any]:
    """What the page's script needs to write moments and sizes in the same words, in the reader's language."""
    sizes = [(factor, said(words)) for factor, words in SIZES]
    return {"seconds": said(SECONDS), "minutes": said(MINUTES), "moment": said(MOMENT), "sizes": sizes, "language": language()}
