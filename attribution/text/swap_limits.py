"""The fixed words of the chapter on a detector of face swaps, on the page of measured limits."""

from attribution.messages import gettext as _

PLAIN_DETECTOR = _("the plain detector")
AUC_OF = {"faces": _("this detector, single faces"), "clips": _("this detector, whole clips"), "plain": _("plain detector, single faces")}
CHANCE, COMMONEST = _("by chance"), _("always naming the commonest person")
PROBE_TITLE, PROBE_OF = _("How well a probe names the person"), _("faces given the right person")
AUC_TITLE = _("How well the same detectors do, on DFDC and elsewhere")
REDUCED = _("Reduced to the same width")
POINTED, GUESSED = _("a detector points"), _("guessing without looking")
POINTERS = {
    "boxes": _("Boxes"), "heatmap": _("Heatmap"), "crop centre": _("The centre of the face"),
    "best constant point": _("The best point that never moves"), "best constant box": _("The best box that never moves"),
}  # fmt: skip
CASES = {
    "partial swaps": _("A part swapped"),
    "partial swaps, unseen blend": _("A part swapped, with a blend that training never used"),
    "partial swaps, large windows": _("A large part swapped"),
    "whole swaps": _("The whole face swapped"),
}
HITS_OF = _("hits the true area")
OVERLAP = _("{what}: {figure}, overlap (IoU) {overlap}, n = {n}")
FOUND, FALSE = _("partial swaps that get a box"), _("untouched faces that get one")
NOT_LOCATED = _("Where {names} points was not measured.")
AGREES, UNDECIDED, CONTRADICTS = _("Agrees"), _("Undecided"), _("Contradicts: the answer becomes inconclusive")
