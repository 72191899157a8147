"""The fixed sentences of the chapter on a detector of face swaps, on the page of measured limits."""

from attribution.text.limits import catalogue

GROUPS = {"better": "Beside a plain detector", "where": "Where it points", "second": "As a second opinion"}
TITLES, READING = catalogue("swaps")
POINTS_QUESTION = "Do its boxes hit the place?"
KNOWS_QUESTION = "Does it know whose face it is?"
CLAIM_QUESTION = "Less identity, better generalisation?"
PLAIN_DETECTOR = "the plain detector"
AUC_OF = {"faces": "this detector, single faces", "clips": "this detector, whole clips", "plain": "plain detector, single faces"}
CLAIM = "“Less identity, better generalisation” is {state} on our data: {why}."
CLAIM_NOT_MEASURED = "Whether “less identity, better generalisation” holds was not measured: there is no figure on {what}."
LESS_IDENTITY = "less identity than in the plain detector"
BETTER_ELSEWHERE = "better generalisation than that of the plain detector"
PROBE_TITLE = "How well a probe names the person"
PROBE_HEAD = "faces given the right person"
PROBE_SAYS = "Of {persons} persons ({pictures} faces) the probe names the right one least often from the pooled features of {least}, \
{low}, and most often from those of {most}, {high}; {chance}, {commonest}."
ONE_PROBE_SAYS = "Of {persons} persons ({pictures} faces) the probe names the right one from the features of {least} in {low}; {chance}, \
{commonest}."
CHANCE = "by chance"
COMMONEST = "always naming the commonest person"
AUC_TITLE = "How well the same detectors do, on DFDC and elsewhere"
AUC_SAYS = "Of {sets} of faces from elsewhere, the highest AUC has {best}."
IN_ORDER = "in the order above"
REDUCED = "Reduced to the same width"
PROBE_DIFFERENCE_TITLE = "Difference of the probe’s accuracy: this less another"
AUC_DIFFERENCE_TITLE = "Difference of the AUC: this less the plain detector"
SHOWN = "shown"
NOT_SHOWN = "not shown: the interval holds zero"
POINTED = "a detector points"
GUESSED = "guessing without looking"
POINTERS = {
    "boxes": "Boxes", "heatmap": "Heatmap", "crop centre": "The centre of the face",
    "best constant point": "The best point that never moves", "best constant box": "The best box that never moves",
}  # fmt: skip
HIT = {"boxes": "its boxes hit", "heatmap": "its heatmap hits"}
CASES = {
    "partial swaps": "A part swapped",
    "partial swaps, unseen blend": "A part swapped, with a blend that training never used",
    "partial swaps, large windows": "A large part swapped",
    "whole swaps": "The whole face swapped",
}
HITS_HEAD = "hits the true area"
OVERLAP_HEAD = "overlap with it (IoU)"
NO_OVERLAP = "no box"
FOUND = "partial swaps that get a box"
FALSE = "untouched faces that get one"
NOT_LOCATED = "Where {names} points was not measured."
