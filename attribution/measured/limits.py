"""The page of measured limits: short answers, the limits in plain sentences, and a section for everything that was measured.

A pure function from a detector's card and the study to one HTML string. A table that is missing or that does not fit is named at the
end; it never takes another section with it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from attribution.detectors.card import Card, MeasuredTable
from attribution.measured import answers, fairness, figures, generators, identity, pointing, research, swaps, trust
from attribution.measured.sections import Names, Section, contents, drawn, joined, made, not_here
from attribution.measured.study import Study
from attribution.render.palette import DARK, LIGHT, levels
from attribution.text import limits as text
from attribution.text import swap_limits as swap_limits_text
from attribution.text.opinions import name_of

OF_THE_STUDY = ("unseen", "questions")
_Make = Callable[[], Section]
_TITLES = {**text.TITLES, **text.GENERATOR_TITLES, **swap_limits_text.TITLES}
_READING = {**text.READING, **text.GENERATOR_READING, **swap_limits_text.READING}
_GROUPS = {**text.GROUPS, **text.GENERATOR_GROUPS, **swap_limits_text.GROUPS}
# The study is about the chosen detector's training.
_NO_STUDY = Study(reason="No study was made with this detector.")


def limits_page(card: Card, study: Study, others: Sequence[Card] = ()) -> str:
    """The whole page below its header, with its style sheet: a chapter for the chosen detector and one for each of the `others` beside it.
    Nothing in cards or study can make it fail or run a script."""
    every = (card, *others)
    prefixes = ["tt-m", *(f"tt-m{number}" for number in range(2, len(every) + 1))]
    studies = [study if card.scope == "any" else _NO_STUDY, *[_NO_STUDY] * len(others)]
    chapters = [_chapter(every, place, studies[place], prefix) for place, prefix in enumerate(prefixes)]
    if others:
        heads = [text.CHAPTER[one.scope].format(name=html.escape(name_of(one.name))) for one in every]
        links = "".join(f'<li><a href="#{prefix}-chapter">{head}</a></li>' for prefix, head in zip(prefixes, heads, strict=True))
        switch = f'<nav class="tt-switch" aria-label="{text.CHAPTERS}"><ul>{links}</ul><p>{text.CHAPTER_HINT}</p></nav>'
        chapters = [
            f'<section class="tt-chapter" id="{prefix}-chapter"><h2>{head}</h2>{chapter}</section>'
            for prefix, head, chapter in zip(prefixes, heads, chapters, strict=True)
        ]
        chapters = [switch, *chapters]
    return f"<style>{style()}</style>{''.join(chapters)}"


def _chapter(cards: Sequence[Card], place: int, study: Study, prefix: str) -> str:
    """Everything about the detector at that place among those of the page; `prefix` begins the ids of its sections."""
    card, beside = cards[place], (*cards[:place], *cards[place + 1 :])
    # A detector of face swaps has one label for all of them; its tables name the methods of the others.
    names = Names(card, beside if card.scope == "face_swap" else ())
    if card.scope == "face_swap":
        plan = _plan_of_swaps(card, names, beside)
    else:
        plan = _plan(card, study, names) if card.scope == "any" else _plan_of_generators(card, names)
    shown, missing = made(plan, _TITLES)
    used = {table.title for sections in shown.values() for section in sections for table in section.tables}
    rest = [table for table in card.measured if table.title not in used]
    body = "".join(_group(group, sections, names, study) for group, sections in shown.items())
    groups = {_GROUPS[group]: [(one.key, _TITLES[one.key]) for one in sections] for group, sections in shown.items()}
    last = [("other", text.OTHER_TITLE)] if rest else []
    last += [("missing", text.MISSING_TITLE)] if missing or study.left_out else []
    page = (
        f'<div class="tt-limits-page">{_answers(card, study)}{contents(("answers", text.ANSWERS_TITLE), groups, last)}'
        f'<div class="tt-limits-body">{body}{_rest(rest, names)}{not_here(missing, study)}</div></div>'
    )
    # Quotes within texts are escaped, so that only our own ids and links are renamed.
    return page if prefix == "tt-m" else re.sub(r'(id="|href="#)tt-m-', rf"\g<1>{prefix}-", page)


@cache
def style() -> str:
    """The style sheet of this page alone, with the steps of its heat maps in both modes."""
    steps = [
        f"{selector}{{{''.join(f'--tt-level-{step}:{colour};' for step, colour in enumerate(levels(tones, figures.HEAT_LEVELS + 1)))}}}"
        for selector, tones in ((":root", LIGHT), (".dark", DARK))
    ]
    classes = "".join(f".tt-level-{step}{{background:var(--tt-level-{step})}}" for step in range(figures.HEAT_LEVELS + 1))
    return "".join(steps) + classes + (Path(__file__).parent / "static" / "limits.css").read_text(encoding="utf-8")


def _plan(card: Card, study: Study, names: Names) -> dict[str, dict[str, _Make]]:
    """Every section, in the order of the page."""
    return {
        "sources": {
            "sources-cross": lambda: answers.by_source(card, names, "cross"),
            "sources-test": lambda: answers.by_source(card, names, "test"),
            "methods": lambda: trust.methods(card, names),
        },
        "unseen": {
            "leave-out": lambda: answers.leave_out(card, study, names),
            "matrix": lambda: research.matrix(study, names),
            "open-set": lambda: research.open_set(study, names),
        },
        "questions": {
            "rq1": lambda: research.comparison(study, "rq1"),
            "rq2": lambda: research.recall(study, names),
            "rq3": lambda: research.comparison(study, "rq3"),
            "backbones": lambda: research.backbones(study),
        },
        "trust": {**_trust(card, names), "localisation": lambda: pointing.localisation(card)},
        "whom": {
            "lightness": lambda: fairness.errors_by(card, "lightness"),
            "size": lambda: fairness.errors_by(card, "size"),
            "shortcuts": lambda: fairness.shortcuts(card),
        },
        "tried": {"tried": lambda: research.tried(study)},
    }


def _plan_of_generators(card: Card, names: Names) -> dict[str, dict[str, _Make]]:
    """Every section of a detector that knows wholly generated faces alone, in the order of its chapter."""
    return {
        "sources": {
            "sources-cross": lambda: answers.by_source(card, names, "cross"),
            "sources-test": lambda: answers.by_source(card, names, "test"),
            "methods-cross": lambda: trust.methods(card, names, "cross", "methods-cross"),
            "methods": lambda: trust.methods(card, names),
        },
        "compared": {
            "side-by-side": lambda: generators.side_by_side(card, names),
            "robustness": lambda: generators.robustness(card),
        },
        "scope": {
            "verdicts-unknown": lambda: generators.verdicts_on(card, names, "unknown generators, test", "verdicts-unknown"),
            "unknown": lambda: generators.unknown(card, names),
            "verdicts-swaps": lambda: generators.verdicts_on(card, names, "face swaps, test", "verdicts-swaps"),
        },
        "patches": {"islands": lambda: generators.islands(card, names), "spread": lambda: generators.spread(card, names)},
        "trust": {**_trust(card, names), "localisation": lambda: pointing.localisation(card)},
        "tried": {"ablation": lambda: generators.ablation(card)},
    }


def _plan_of_swaps(card: Card, names: Names, beside: Sequence[Card]) -> dict[str, dict[str, _Make]]:
    """Every section of a detector that knows face swaps and pasted parts alone, in the order of its chapter; `beside` are the cards of the
    other detectors of the page."""
    return {
        "better": {"told-apart": lambda: swaps.told_apart(card), "identity": lambda: identity.identity(card, names)},
        "where": {"localisation": lambda: pointing.localisation(card, beside), "boxes": lambda: pointing.boxes(card)},
        "second": {
            "second-test": lambda: swaps.second_opinion(card, names, "test"),
            "second-cross": lambda: swaps.second_opinion(card, names, "cross"),
        },
        "sources": {
            "sources-cross": lambda: answers.by_source(card, names, "cross"),
            "sources-test": lambda: answers.by_source(card, names, "test"),
        },
        "trust": _trust(card, names),
    }


def _trust(card: Card, names: Names) -> dict[str, _Make]:
    return {"calibration": lambda: trust.calibration(card, names), "coverage": lambda: trust.coverage(card, names)}


def _answers(card: Card, study: Study) -> str:
    found = answers.answers(card, study)
    if card.scope == "face_swap":
        # What it never saw is among the sources of its card; instead a reader wants to know what it was made for.
        found = [*(one for one in found if one.question != text.UNSEEN), *swaps.answers(card)]
    cards = "".join(
        f'<li><h3>{html.escape(one.question)}</h3><p class="tt-figure">{joined(one.figure)}</p>'
        f"{''.join(f'<p>{joined(sentence)}</p>' for sentence in one.sentences)}</li>"
        for one in found
    )
    stated = "".join(f"<li>{joined(limit)}</li>" for limit in card.limits)
    limits = f'<div class="tt-stated"><h3>{text.STATED_LIMITS}</h3><ul>{stated}</ul></div>' if stated else ""
    return (
        f'<section class="tt-m" id="tt-m-answers"><h2>{text.ANSWERS_TITLE}</h2><p class="tt-how"><b>{html.escape(card.name)}.</b> '
        f'{joined(text.INTRO)}</p><ul class="tt-answers">{cards}</ul>{limits}</section>'
    )


def _group(group: str, sections: list[Section], names: Names, study: Study) -> str:
    """A group of sections; those that the study fills begin with what it is to be read with."""
    caveat = f'<p class="tt-caveat">{joined(study.caveat)}</p>' if study.caveat and group in OF_THE_STUDY else ""
    sections_html = "".join(_section(one, names) for one in sections)
    return f'<h2 class="tt-group-title">{html.escape(_GROUPS[group])}</h2>{caveat}{sections_html}'


def _section(section: Section, names: Names) -> str:
    tables = "".join(figures.exact(table, names.say) for table in section.tables)
    return drawn(section, _TITLES[section.key], _READING[section.key], tables)


def _rest(tables: list[MeasuredTable], names: Names) -> str:
    if not tables:
        return ""
    exact = "".join(figures.exact(table, names.say) for table in tables)
    return f'<section class="tt-m" id="tt-m-other"><h3>{text.OTHER_TITLE}</h3>{exact}</section>'
