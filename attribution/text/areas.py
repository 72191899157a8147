"""Every sentence about the areas that a detector marks, and about how often such areas and heatmaps are right. Plain text: whoever shows
it escapes it."""

from __future__ import annotations

HEADING = "The areas that it marks"
FIRST_HEADING = "The areas that the detector marks"
SHOW = "Show marked areas"
PICTURE = "{face} with its marked areas, which are listed beside it"
ON_FACE = "marked areas: {count}"

AREA = "Area"
ONE = "{name} marks one area of this face."
SEVERAL = "{name} marks {count} areas of this face."
SOME_OF = "{name} marks {count} areas of this face; the {shown} that it is surest of are shown."
NONE = "{name} marks no area of this face: it is sure enough of none."
NONE_FOUND = "{name} finds no manipulation in this face, so it marks no area."
ALTHOUGH = {
    "no_manipulation_found": "It finds no manipulation in the face as a whole, so they are weak hints.",
    "inconclusive": "It gives no definite answer on the face as a whole, so they are weak hints.",
}
CONFIDENCE = (
    "The per cent say how sure the detector is of each area. They are not the probability that the face was manipulated: that stands with "
    "its answer."
)
SIDES = "Left and right are those of the picture."
CANNOT = "An area shows where to look, not what was done. It is not proof."

# Where an area lies
WHOLE = "all over the face"
AROUND = "around {parts}"
EYES = "the eyes"
EYE = "the eye{side}"
NOSE = "the nose"
MOUTH = "the mouth"
CORNER = "the corner of the mouth{side}"
ABOVE = "above the eyes{side}"
BETWEEN_EYES = "between the eyes"
MIDDLE = "between the eyes and the mouth"
NEAR_EYE = "near the eye{side}"
CHEEK = "on the cheek{side}"
BESIDE_MOUTH = "beside the mouth{side}"
BELOW = "below the mouth{side}"
LEFT, RIGHT = " on the left", " on the right"
IN_FACE = "{place} of the face"

# How often such a place is right
HITS_TITLE = "Does it point at the right place?"
HEATMAPS_HIT = "Heatmaps of this kind hit the true area in {hits} of 100 known cases; guessing the centre of the face hits {centre}."
BOXES_HIT = "Boxes of this kind hit the true area in {hits} of 100 known cases; guessing the centre of the face hits {centre}."
NO_BETTER = "That is no better than guessing."
MAYBE_CHANCE = "The difference may be chance."
KNOWN_ARE_SWAPS = "The known cases are swapped parts; the traces of a wholly generated face are all over it."
HEATMAPS_NOT_MEASURED = "How often heatmaps of this kind hit the true area was not measured for this detector."
BOXES_NOT_MEASURED = "How often boxes of this kind hit the true area was not measured for this detector."
HITS_IN_CARD = "How often such a place is right stands in the card of the detector, if it was measured."
NO_AREA = "A heatmap of “no manipulation” does not point at one: there is no area that it could hit."
