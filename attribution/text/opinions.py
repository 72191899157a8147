"""Every sentence about the opinion of a second detector and its patch view. Plain text: whoever shows it escapes it."""

NAMES = {"telltale-dna-det": "DNA-Det", "telltale-caddm": "CADDM"}
"""Detectors that have a shorter name for people, by the name in their card."""
TITLE = "Which generator drew it? ({name})"
HINT = "A second detector, which knows wholly generated faces alone and names the architecture of the generator. It is asked where the \
first one calls a face generated."
SWAP_TITLE = "Was a part of this face swapped or pasted? ({name})"
SWAP_HINT = "A second detector, which knows face swaps and pasted parts alone and marks where it sees their traces. It is asked where the \
first one calls a face swapped, or finds no manipulation."
OTHER_TITLE = "What a second detector says ({name})"
OTHER_HINT = {
    "generated": "It knows face swaps too, and is asked about every face: the first detector knows wholly generated faces alone.",
    "face_swap": (
        "It knows wholly generated faces too, and is asked about every face: the first detector knows face swaps and pasted parts alone."
    ),
    "any": "It is asked about every face beside the first one.",
}
"""By what the first detector looks for."""
PICTURE_HINT = "It judges the whole picture that the face is in, not the face alone."
SEVERAL_TITLE = "Second opinions"
NONE_ASKED = "Detectors that know one kind of manipulation alone. None of them is asked about this face:"
CHOOSE = "Choose a second opinion"
NOT_ASKED = "Not asked about this face"
BESIDE = "Second opinion"
JUMP = "See what {name} says"
ARCHITECTURE = "Architecture of the generator"
ANSWER_OF = "Answer of {name}"
AGREEMENT = {
    "same method": "Both detectors agree",
    "same family": "Both detectors agree on the family",
    "same answer": "Both detectors find a manipulation",
    "differs": "The two detectors disagree",
    "undecided": "No second answer",
}
SAME_METHOD = "Both name {method}."
SAME_COLLECTIONS = "They learned from faces of the same collections: they can be wrong together."
OTHER_COLLECTIONS = "What {name} learned from is not known here: whether the two can be wrong together cannot be said."
NOT_MEASURED = "Telltale has not measured {name}, and its probability is not calibrated: agreement with it proves little."
OTHER_VIEW = "{name} judged {seen}, the first detector {first_seen}: they do not speak of quite the same thing."
SEEN = {"face": "the face alone", "picture": "the whole picture"}
FAMILY_NOT_TOLD = "Both find a manipulation; {teller} names the kind ({family}), the labels of {silent} do not tell any."
NEITHER_TELLS = "Both find a manipulation, and neither tells by what kind of method."
SAME_STATE = "Both give the same answer, and neither names a method."
NEITHER_FINDS = "Neither finds a manipulation."
BOTH_FIND = "The first detector says “{first}”, {name} says “{second}”: the same kind of manipulation."
SAME_FAMILY = "Both call it {family}, but the first names {first} and {name} names {second}: do not rely on the name of the generator."
ONE_NAMES = "Both call it {family}, but not both of them name the generator: treat the name as a guess."
DIFFERS = "The first detector ({first_name}) says “{first}”, {name} says “{second}”. At least one of them is wrong."
DIFFERS_IN_METHOD = "That the face was generated is not in doubt between them; do not rely on which generator drew it."
DIFFERS_IN_STATE = "Whether the face was generated at all is in doubt: do not rely on either answer without other evidence."
DIFFERS_IN_SWAP = "That the face was manipulated is not in doubt between them; do not rely on the method."
DIFFERS_ON_SWAP = "Whether the face was manipulated at all is in doubt: do not rely on either answer without other evidence."
UNDECIDED = "{name} gives no definite answer, so it neither confirms nor contradicts the first one."
FIRST_UNDECIDED = "The first detector gives no definite answer; {name} says “{second}”."
NEITHER_DECIDED = "Neither detector gives a definite answer."
# Where two definite answers leave none
CONTRADICTED = "Two detectors contradict each other, so there is no verdict."
OUT_OF_FIELD = "{first} looks for {what} alone, and {second} calls this face {said}, so there is no verdict."
LOOKS_FOR = {"generated": "wholly generated faces", "face_swap": "face swaps and pasted parts", "any": "every kind of manipulation"}
FIRST_ONE = "{name}, the first detector"
SECOND_ONE = "{name}, the second opinion"
SAID = "{state}: {what}"
SAYS = "probability of a manipulation: {p}"
SAYS_UNCALIBRATED = "probability of a manipulation: {p}, not calibrated"
SIDE_BY_SIDE = "Side by side"
NEXT_TITLE = "What to do next"
NEXT = (
    "Compare both heatmaps with the picture, and the marked areas where there are any.",
    "Look for an earlier or a larger copy of the file, or for other pictures of the same scene, and examine those.",
    "Check who published it first. Until then, rely on neither answer.",
)
# Grad-CAM
HEAT_TITLE = "Where {name} looked"
HEAT_HEADING = "Where it looked"
HEAT_SLIDER = "Drag to compare what the second detector saw with its heatmap"
EVIDENCE_SHARE = "{share} of the picture carries the evidence: {spread}"
SPREAD = {
    "spread": "it is spread over the whole picture, as the traces of a generator are.",
    "part": "it covers a part of the picture; the traces of a generator are usually spread over all of it.",
    "gathered": "it is gathered in one place, which is unusual for a wholly generated face. Compare it with the patches.",
}
MAP_HEADING = "Among the faces that it knows"
NEIGHBOURS_HEADING = "Nearest of its reference faces"
HEAT_OF_OTHER = "The picture is as {name} saw it."
LIMITS_TITLE = "How good is {name}? Measured."
UNMEASURED_TITLE = "How good is {name}? Not measured."
NO_REFERENCES = "{name} brings no reference faces, so there is no map of it and no nearest faces."
LIMITS_SUMMARY = "What {name} cannot tell"
# Patch by patch
PATCH_TITLE = "Patch by patch"
PATCH_HINT = "A detector of generators reads each small square of the picture alone. In a wholly generated picture traces are everywhere; \
a generated face that was pasted into a photograph shows as an island."
PATCH_BUTTON = "Examine patch by patch"
PATCH_WORKING = "Reading the patches"
PATCH_FAILED = "The patches could not be read."
PATCH_OUR_FAULT = "Something went wrong on our side. Try again, or give the file again."
PATCH_CLEAR = "No traces found (clear)"
PATCH_FACE = "Examined face"
PATCH_NOT_READ = "Not read"
PATCH_LEGEND = "Patches by answer"
PATCHES_COUNT = "{generated} of {patches} patches look generated."
PATCHES_NONE = "None of {patches} patches looks generated."
PATCHES_EVERYWHERE = "The traces are all over the part that was read, as in a wholly generated picture."
ISLAND_OF_ONE = "It stands alone, {place}."
ONE_ISLAND = "They form one island, {place}."
NO_TWO_TOUCH = "No two of them touch."
SEVERAL_ISLANDS = "They form {islands} islands, {alone} of them single patches; the largest holds {largest} patches ({share} %) and lies \
{place}."
ON_AND_AROUND = "On the examined face it is {on} of {on_all}, around it {around} of {around_all}."
FACE_STANDS_OUT = "The face stands out from its surroundings: that is what a generated face in a photograph looks like."
FACE_DOES_NOT_STAND_OUT = "The face does not stand out from its surroundings."
PLACES = (
    ("at the upper left", "at the top", "at the upper right"),
    ("on the left", "in the middle", "on the right"),
    ("at the lower left", "at the bottom", "at the lower right"),
)
PATCH_CANNOT = "A patch knows little: read alone it is wrong far more often than the whole face. Single patches and small islands mean \
nothing, and an island shows where to look, not what was done."
PATCH_MEASURED = "Measured on photographs with a pasted generated face ({split}), by generator: {inside} of the patches inside it looked \
generated, and {outside} of those outside it."
PATCH_SIZE = "A patch covers about {side} × {side} px of the original."
PATCH_SPLITS = {"test": "new faces, known collections", "cross": "collections that it never saw"}


def name_of(detector: str) -> str:
    """The name of a detector for people."""
    return NAMES.get(detector, detector)


def spread(evidence_share: float) -> str:
    """`spread`, `part` or `gathered`. The steps are ours: half of the generated test faces of each class lie above 28 %, nine tenths above
    15 % (table "Spread of the evidence, test" of the card); a disc across a third of the picture would give 14 %."""
    return "spread" if evidence_share >= 0.28 else "part" if evidence_share >= 0.15 else "gathered"
