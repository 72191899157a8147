"""The page of measured limits: short answers, the limits in plain sentences, and a section for everything that was measured.

A pure function from the cards of detectors and the study to one HTML string.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from attribution.detectors.card import Card
from attribution.measured import figures, generators, research, swaps, trust, verdicts
from attribution.measured.section import Plan, Subject, Wording, drawn_page, style
from attribution.measured.study import Study
from attribution.render.html import macros
from attribution.text import limits as text
from attribution.text import swap_limits as swap_text
from attribution.text.opinions import name_of

_WORDS = Wording(
    {**text.GROUPS, **text.GENERATOR_GROUPS, **swap_text.GROUPS},
    {**text.TITLES, **text.GENERATOR_TITLES, **swap_text.TITLES},
    {**text.READING, **text.GENERATOR_READING, **swap_text.READING},
)
_HTML = macros("sections.html")
_OF_THE_STUDY = ("unseen", "questions")
# The study is about the chosen detector's training.
_NO_STUDY = Study(reason="No study was made with this detector.")

_SOURCES = {
    "sources-cross": lambda at: verdicts.by_source(at, "cross"),
    "sources-test": lambda at: verdicts.by_source(at, "test"),
}
_TRUST = {"calibration": trust.calibration, "coverage": trust.coverage}
_LOCALISED = {**_TRUST, "localisation": lambda at: swaps.localisation(at, ())}
PLANS: dict[str, Plan] = {
    "any": {
        "sources": {**_SOURCES, "methods": trust.methods},
        "unseen": {"leave-out": verdicts.leave_out, "matrix": research.matrix, "open-set": research.open_set},
        "questions": {
            "rq1": lambda at: research.comparison(at, "rq1"),
            "rq2": research.recall,
            "rq3": lambda at: research.comparison(at, "rq3"),
            "backbones": research.backbones,
        },
        "trust": _LOCALISED,
        "whom": {
            "lightness": lambda at: trust.errors_by(at, "lightness"),
            "size": lambda at: trust.errors_by(at, "size"),
            "shortcuts": trust.shortcuts,
        },
        "tried": {"tried": research.tried},
    },
    "generated": {
        "sources": {**_SOURCES, "methods-cross": lambda at: trust.methods(at, "cross"), "methods": trust.methods},
        "compared": {"side-by-side": generators.side_by_side, "robustness": generators.robustness},
        "scope": {
            "verdicts-unknown": lambda at: verdicts.by_source(at, "unknown generators, test"),
            "unknown": generators.unknown,
            "verdicts-swaps": lambda at: verdicts.by_source(at, "face swaps, test"),
        },
        "patches": {"islands": generators.islands, "spread": generators.spread},
        "trust": _LOCALISED,
        "tried": {"ablation": generators.ablation},
    },
    "face_swap": {
        "better": {"told-apart": swaps.told_apart, "identity": swaps.identity},
        "where": {"localisation": lambda at: swaps.localisation(at, at.beside), "boxes": swaps.boxes},
        "second": {
            "second-test": lambda at: swaps.second_opinion(at, "test"),
            "second-cross": lambda at: swaps.second_opinion(at, "cross"),
        },
        "sources": _SOURCES,
        "trust": _TRUST,
    },
}
"""The sections of a chapter by the scope of its detector."""


def limits_page(card: Card, study: Study, others: Sequence[Card] = ()) -> str:
    """The whole page below its header, with its style sheet: a chapter for the chosen detector and one for each of the `others` beside it.
    Nothing in cards or study can make it fail or run a script."""
    every, chapters = (card, *others), []
    for place, one in enumerate(every):
        at = Subject(one, study if place == 0 and one.scope == "any" else _NO_STUDY, (*every[:place], *every[place + 1 :]))
        prefix = f"tt-m{place + 1}" if place else "tt-m"
        chapters.append((prefix, text.CHAPTER[one.scope].format(name=name_of(one.name)), _chapter(at, prefix)))
    return f"{style('limits.css')}{_HTML.chapters(chapters) if others else chapters[0][2]}"


def _chapter(at: Subject, prefix: str) -> Markup:
    answers = verdicts.answers(at)
    if at.card.scope == "face_swap":
        # What it never saw is among the sources of its card; instead a reader wants to know what it was made for.
        answers = [*(one for one in answers if one.question != text.UNSEEN), *swaps.answers(at)]
    return drawn_page(
        at, PLANS[at.card.scope], _WORDS, at.study, lambda table: figures.exact(table, at.say), ("answers", text.ANSWERS_TITLE),
        _HTML.answers(at.card, answers, prefix), at.card.measured, _OF_THE_STUDY, prefix,
    )  # fmt: skip
