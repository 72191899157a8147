"""Every sentence about the areas that a detector marks, and about how often such areas and heatmaps are right. Plain text: whoever shows
it escapes it."""

from attribution.messages import gettext as _

HEADING = _("The areas that it marks")
FIRST_HEADING = _("The areas that the detector marks")
SHOW = _("Show marked areas")
PICTURE = _("{face} with its marked areas, which are listed beside it")
ON_FACE = _("marked areas: {count}")
AREA = _("Area")
ONE = _("{name} marks one area of this face.")
SEVERAL = _("{name} marks {count} areas of this face.")
SOME_OF = _("{name} marks {count} areas of this face; the {shown} that it is surest of are shown.")
NONE = _("{name} marks no area of this face: it is sure enough of none.")
NONE_FOUND = _("{name} finds no manipulation in this face, so it marks no area.")
ALTHOUGH = {
    "no_manipulation_found": _("It finds no manipulation in the face as a whole, so they are weak hints."),
    "inconclusive": _("It gives no definite answer on the face as a whole, so they are weak hints."),
}
CONFIDENCE = _(
    "The per cent say how sure the detector is of each area. They are not the probability that the face was manipulated: that \
stands with its answer."
)
SIDES = _("Left and right are those of the picture.")
CANNOT = _("An area shows where to look, not what was done. It is not proof.")
# Where a heatmap explains nothing
UNFAITHFUL = _("Do not rely on the heatmap: hiding what it marks moves the answer no more than hiding any other area.")
INSTEAD = {"areas": _("Look at the marked areas first."), "patches": _("Look at the picture patch by patch first.")}
# Where an area lies
WHOLE = _("all over the face")
AROUND = _("around {parts}")
EYES = _("the eyes")
EYE = _("the eye{side}")
NOSE = _("the nose")
MOUTH = _("the mouth")
CORNER = _("the corner of the mouth{side}")
ABOVE = _("above the eyes{side}")
BETWEEN_EYES = _("between the eyes")
MIDDLE = _("between the eyes and the mouth")
NEAR_EYE = _("near the eye{side}")
CHEEK = _("on the cheek{side}")
BESIDE_MOUTH = _("beside the mouth{side}")
BELOW = _("below the mouth{side}")
LEFT, RIGHT = _(" on the left"), _(" on the right")
IN_FACE = _("{place} of the face")
# How often such a place is right
HITS_TITLE = _("Does it point at the right place?")
HEATMAPS_HIT = _("Heatmaps of this kind hit the true area in {hits} of 100 known cases; guessing the centre of the face hits {centre}.")
BOXES_HIT = _("Boxes of this kind hit the true area in {hits} of 100 known cases; guessing the centre of the face hits {centre}.")
NO_BETTER = _("That is no better than guessing.")
MAYBE_CHANCE = _("The difference may be chance.")
KNOWN_ARE_SWAPS = _("The known cases are swapped parts; the traces of a wholly generated face are all over it.")
HEATMAPS_NOT_MEASURED = _("How often heatmaps of this kind hit the true area was not measured for this detector.")
BOXES_NOT_MEASURED = _("How often boxes of this kind hit the true area was not measured for this detector.")
HITS_IN_CARD = _("How often such a place is right stands in the card of the detector, if it was measured.")
NO_AREA = _("A heatmap of “no manipulation” does not point at one: there is no area that it could hit.")
