"""Every sentence about the areas that a detector marks, and about how often such areas and heatmaps are right. Plain text: whoever shows
it escapes it."""

from attribution.messages import Message, ngettext
from attribution.messages import gettext as _

HEADING = _("The areas that it marks")
FIRST_HEADING = _("The areas that the detector marks")
SHOW = _("Show marked areas")
PICTURE = _("{face} with its marked areas, which are listed beside it")
AREA = _("Area {number}")
SOME_OF = _("{name} is surest of these {shown} of the {count} areas that it marks.")
NONE = _("{name} marks no area of this face: it is sure enough of none.")
NONE_FOUND = _("{name} finds no manipulation in this face, so it marks no area.")
ALTHOUGH = {
    "no_manipulation_found": _("It finds no manipulation in the face as a whole, so they are weak hints."),
    "inconclusive": _("It gives no definite answer on the face as a whole, so they are weak hints."),
}
CONFIDENCE = _("The per cent say how sure it is of each area. Left and right are those of the picture.")
CANNOT = _("An area shows where to look, not what was done. It is not proof.")


def marks(name: str, count: int) -> Message:
    """How many areas a detector marks."""
    return ngettext("{name} marks {count} area of this face.", "{name} marks {count} areas of this face.", count).format(
        name=name, count=count
    )


# Where a heatmap explains nothing
UNFAITHFUL = _("Do not rely on the heatmap: hiding what it marks moves the answer no more than hiding any other area.")
INSTEAD = {"areas": _("Look at the marked areas first."), "patches": _("Look at the picture patch by patch first.")}
# Where an area lies; left and right are those of the picture, and "" is of a face that lies on its side
WHOLE = _("all over the face")
EYES, NOSE, MOUTH = _("the eyes"), _("the nose"), _("the mouth")
EYE = {"left": _("the eye on the left"), "right": _("the eye on the right"), "": _("an eye")}
CORNER = {"left": _("the left corner of the mouth"), "right": _("the right corner of the mouth"), "": _("a corner of the mouth")}
ABOVE, BELOW = _("above the eyes"), _("below the mouth")
BETWEEN_EYES, MIDDLE = _("between the eyes"), _("between the eyes and the mouth")
NEAR_EYE = {"left": _("near the eye on the left"), "right": _("near the eye on the right"), "": _("near an eye")}
CHEEK = {"left": _("on the cheek on the left"), "right": _("on the cheek on the right"), "": _("on a cheek")}
BESIDE_MOUTH = {"left": _("to the left of the mouth"), "right": _("to the right of the mouth"), "": _("beside the mouth")}
IN_FACE = (
    (_("at the upper left of the face"), _("at the top of the face"), _("at the upper right of the face")),
    (_("on the left of the face"), _("in the middle of the face"), _("on the right of the face")),
    (_("at the lower left of the face"), _("at the bottom of the face"), _("at the lower right of the face")),
)
"""By thirds, from the top and from the left."""
# How often such a place is right
HITS_TITLE = _("Does it point at the right place?")
HEATMAPS_HIT = _("Heatmaps like it hit the true area in {hits} of 100 known cases; guessing the centre of the face hits {centre}.")
BOXES_HIT = _("Boxes like these hit the true area in {hits} of 100 known cases; guessing the centre of the face hits {centre}.")
NO_BETTER = _("That is no better than guessing.")
MAYBE_CHANCE = _("The difference may be chance.")
KNOWN_ARE_SWAPS = _("The known cases are swapped parts; a wholly generated face has its traces all over.")
HEATMAPS_NOT_MEASURED = _("How often its heatmaps hit the true area was not measured.")
BOXES_NOT_MEASURED = _("How often its boxes hit the true area was not measured.")
HITS_IN_CARD = _("How often such a place is right stands in the card of the detector, if it was measured.")
NO_AREA = _("Where nothing was manipulated there is no area to hit.")
