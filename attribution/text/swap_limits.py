"""The fixed sentences of the chapter on a detector of face swaps, on the page of measured limits."""

from attribution.messages import gettext as _
from attribution.text.limits import catalogue

GROUPS = {"better": _("Beside a plain detector"), "where": _("Where it points"), "second": _("As a second opinion")}
TITLES, READING = catalogue("swaps")
POINTS_QUESTION = _("Do its boxes hit the place?")
KNOWS_QUESTION = _("Does it know whose face it is?")
CLAIM_QUESTION = _("Less identity, better generalisation?")
PLAIN_DETECTOR = _("the plain detector")
AUC_OF = {"faces": _("this detector, single faces"), "clips": _("this detector, whole clips"), "plain": _("plain detector, single faces")}
CLAIM = _("“Less identity, better generalisation” is {state} on our data: {why}.")
CLAIM_NOT_MEASURED = _("Whether “less identity, better generalisation” holds was not measured: there is no figure on {what}.")
LESS_IDENTITY = _("less identity than in the plain detector")
BETTER_ELSEWHERE = _("better generalisation than that of the plain detector")
PROBE_TITLE = _("How well a probe names the person")
PROBE_HEAD = _("faces given the right person")
PROBE_SAYS = _(
    "Of {persons} persons ({pictures} faces) the probe names the right one least often from the pooled features of {least}, \
{low}, and most often from those of {most}, {high}; {chance}, {commonest}."
)
ONE_PROBE_SAYS = _(
    "Of {persons} persons ({pictures} faces) the probe names the right one from the features of {least} in {low}; {chance}, \
{commonest}."
)
CHANCE = _("by chance")
COMMONEST = _("always naming the commonest person")
AUC_TITLE = _("How well the same detectors do, on DFDC and elsewhere")
AUC_SAYS = _("Of {sets} of faces from elsewhere, the highest AUC has {best}.")
IN_ORDER = _("in the order above")
REDUCED = _("Reduced to the same width")
PROBE_DIFFERENCE_TITLE = _("Difference of the probe’s accuracy: this less another")
AUC_DIFFERENCE_TITLE = _("Difference of the AUC: this less the plain detector")
SHOWN = _("shown")
NOT_SHOWN = _("not shown: the interval holds zero")
POINTED = _("a detector points")
GUESSED = _("guessing without looking")
POINTERS = {
    "boxes": _("Boxes"), "heatmap": _("Heatmap"), "crop centre": _("The centre of the face"),
    "best constant point": _("The best point that never moves"), "best constant box": _("The best box that never moves"),
}  # fmt: skip
HIT = {"boxes": _("its boxes hit"), "heatmap": _("its heatmap hits")}
CASES = {
    "partial swaps": _("A part swapped"),
    "partial swaps, unseen blend": _("A part swapped, with a blend that training never used"),
    "partial swaps, large windows": _("A large part swapped"),
    "whole swaps": _("The whole face swapped"),
}
HITS_HEAD = _("hits the true area")
OVERLAP_HEAD = _("overlap with it (IoU)")
NO_OVERLAP = _("no box")
FOUND = _("partial swaps that get a box")
FALSE = _("untouched faces that get one")
NOT_LOCATED = _("Where {names} points was not measured.")
