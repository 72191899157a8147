"""The page *Why detectors fail*: a pure function from the study to HTML; what does not fit is named at the end."""

from markupsafe import Markup

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Unfit
from attribution.measured import transfer, units
from attribution.measured.figures import numbers
from attribution.measured.section import Plan, Wording, attempt, drawn_page, style
from attribution.measured.study import Study
from attribution.measured.zeroshot import Findings, decided
from attribution.render.html import macros
from attribution.text import failures as text

PLAN: Plan = {
    "transfer": {"collapse": transfer.collapse, "loss": transfer.loss, "cost": transfer.cost},
    "inside": {"attention": transfer.attention, "neurons": units.neurons, "ablation": units.ablation, "readout": units.readout},
}
# Long digits of pictures.
_NOT_LISTED = ("attention_maps", "example_faces")


def failures_page(study: Study) -> str:
    """The whole page below its header, with its style sheet."""
    at = Findings.of(study)

    def listed(table: MeasuredTable) -> Markup:
        return numbers(table, at.say)

    try:
        chart, problem = transfer.chart(at), ""
    except Unfit as unfit:
        chart, problem = None, str(unfit)
    lost = attempt(lambda: decided(transfer.drop_of(at)) > 0)
    holds = {
        "loss": lost, "abstain": lost, "cost": attempt(lambda: transfer.helps_itself_alone(at)),
        "attention": attempt(lambda: transfer.looks_elsewhere(at)), "units": attempt(lambda: not units.carry(at)),
    }  # fmt: skip
    first = macros("sections.html").first(
        "tt-m", text.SHORT_TITLE, chart.says if chart else problem, attempt(lambda: transfer.done(at)) or "",
        attempt(lambda: transfer.answers(at)) or [], text.CHART_TITLE, chart.figure if chart else "",
        text.FOLLOWS_TITLE, [words for key, words in text.FOLLOWS.items() if holds[key]],
    )  # fmt: skip
    words = Wording(text.GROUPS, text.TITLES, text.READING)
    measured = [table for key, table in study.tables.items() if key not in _NOT_LISTED]
    page = drawn_page(at, PLAN, words, study, listed, first, measured, caveat_above=("transfer",))
    return f"{style('limits.css')}{page}"
