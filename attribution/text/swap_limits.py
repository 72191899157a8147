"""The fixed sentences of the chapter on a detector of face swaps, on the page of measured limits."""

from __future__ import annotations

from attribution.text.limits import catalogue

GROUPS = {"better": "Beside a plain detector", "where": "Where it points", "second": "As a second opinion"}

TITLES, READING = catalogue("""
# told-apart: Is it better than a plain detector?
The AUC is the chance that a swapped face gets a higher score than an untouched one (1: always told apart, 0.5: a coin). Clips are judged
by all of their faces. Hollow dots are the plain detector, lines 95 % intervals.
# identity: Does it know whose face it is?
A linear probe guesses from a detector’s features which person an untouched face belongs to; further left it knows less of the person.
Beside it, how well the same detectors tell manipulated from untouched faces: further right is better. DFDC is not from elsewhere, and
does not count for the claim. Every set has an interval of its own: of twenty, one leaves out zero by chance.
# boxes: How sure must a box be?
Boxes smaller than the crop, by the confidence from which on they are shown. Filled: faces of which a part was swapped and that get one;
hollow and dashed: untouched faces that get one all the same. The wider apart, the better.
# second-test: What asking it changes, on new faces from known collections
Where the two definite answers contradict each other, no definite answer is left. Dots, of all faces that it was asked about: filled, a
wrong answer of the default detector was prevented; hollow, a right one was lost. All together depends on the mix of sources: untouched
faces can lose, and swapped ones win.
# second-cross: What asking it changes, on collections that it never saw
As above, for faces from collections that neither detector saw in training. A face from elsewhere is more like these.
""")

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
    "boxes": "Boxes",
    "heatmap": "Heatmap",
    "crop centre": "The centre of the face",
    "best constant point": "The best point that never moves",
    "best constant box": "The best box that never moves",
}
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
