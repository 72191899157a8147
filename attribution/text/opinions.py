"""Every sentence about the opinion of a second detector and its patch view. Plain text: whoever shows it escapes it."""

from collections.abc import Sequence

from attribution.messages import Message, ngettext
from attribution.messages import gettext as _
from attribution.text.numbers import listed

NAMES = {"telltale-dna-det": "DNA-Det", "telltale-swap": "CADDM"}
"""Detectors that have a shorter name for people, by the name in their card."""
TITLE = _("Which generator drew it? ({name})")
HINT = _("It knows wholly generated faces alone and names the generator. It is asked where a face is called generated.")
SWAP_TITLE = _("Was a part of this face swapped or pasted? ({name})")
SWAP_HINT = _("It knows face swaps and pasted parts alone. It is asked where a face is called swapped, or no manipulation is found.")
OTHER_TITLE = _("What a second detector says ({name})")
OTHER_HINT = {
    "generated": _("It knows face swaps too, and is asked about every face: the first detector knows wholly generated faces alone."),
    "face_swap": (
        _("It knows wholly generated faces too, and is asked about every face: the first detector knows face swaps and pasted parts alone.")
    ),
    "any": _("It is asked about every face beside the first one."),
}
"""By what the first detector looks for."""
PICTURE_HINT = _("It judges the whole picture that the face is in, not the face alone.")
# Where several detectors answer together
TOGETHER = _("This is what these detectors say together: {names}.")
TOGETHER_NAME = _("The common answer")
ALONE_TITLE = _("What {name} says alone")
SPEAKS_ON = _("It may speak on: {families}.")
SEVERAL_TITLE = _("Second opinions")
NONE_ASKED = _("Detectors that know one kind of manipulation alone. None of them is asked about this face:")
CHOOSE = _("Choose a second opinion")
NOT_ASKED = _("Not asked about this face")
BESIDE = _("Second opinion")
JUMP, JUMP_TO_ALL = _("See what {name} says"), _("See what they say")
ARCHITECTURE = _("Architecture of the generator")
ANSWER_OF = _("Answer of {name}")
AGREEMENT = {
    "same method": _("Both detectors agree."),
    "same family": _("Both detectors agree on the family."),
    "same answer": _("Both detectors find a manipulation."),
    "differs": _("The two detectors disagree."),
    "undecided": _("No second answer."),
}
SAME_METHOD = _("Both name {method}.")
SAME_COLLECTIONS = _("They learned from faces of the same collections: they can be wrong together.")
OTHER_COLLECTIONS = _("What {name} learned from is not known: they may be wrong together.")
NOT_MEASURED = _("Telltale has not measured {name}, and its probability is not calibrated: agreement with it proves little.")
OTHER_VIEW = {
    "face": _("{name} judged the face alone, the first detector the whole picture: they do not speak of quite the same thing."),
    "picture": _("{name} judged the whole picture, the first detector the face alone: they do not speak of quite the same thing."),
}
"""By what the second detector saw."""
FAMILY_NOT_TOLD = _("Both find a manipulation; {teller} names the kind ({family}), the labels of {silent} do not tell any.")
NEITHER_TELLS = _("Both find a manipulation, and neither tells by what kind of method.")
SAME_STATE = _("Both give the same answer, and neither names a method.")
NEITHER_FINDS = _("Neither finds a manipulation.")
BOTH_FIND = _("{first_name}: “{first}”; {name}: “{second}”. That is the same kind of manipulation.")
SAME_FAMILY = _("Both call it {family}, but the first names {first} and {name} names {second}: do not rely on the name of the generator.")
ONE_NAMES = _("Both call it {family}, but not both of them name the generator: treat the name as a guess.")
DIFFERS = _("{first_name}: “{first}”; {name}: “{second}”. At least one of them is wrong.")
DIFFERS_IN_METHOD = _("That the face was generated is not in doubt between them; do not rely on which generator drew it.")
DIFFERS_IN_STATE = _("Whether the face was generated at all is in doubt: do not rely on either answer without other evidence.")
DIFFERS_IN_SWAP = _("That the face was manipulated is not in doubt between them; do not rely on the method.")
DIFFERS_ON_SWAP = _("Whether the face was manipulated at all is in doubt: do not rely on either answer without other evidence.")
UNDECIDED = _("{name} gives no definite answer, so it neither confirms nor contradicts the first one.")
FIRST_UNDECIDED = _("The first answer is not definite; {name} says “{second}”.")
NEITHER_DECIDED = _("Neither detector gives a definite answer.")
# Where two definite answers leave none
CONTRADICTED = _("Two detectors contradict each other, so there is no verdict.")
OUT_OF_FIELD = {
    "generated": _("{first} looks for wholly generated faces alone, and {second} calls this face “{said}”, so there is no verdict."),
    "face_swap": _("{first} looks for face swaps and pasted parts alone, and {second} calls this face “{said}”, so there is no verdict."),
    "any": _("{first} does not know what {second} calls this face (“{said}”), so there is no verdict."),
}
"""By what the first detector looks for."""
FIRST_ONE = _("{name}, the first detector")
SECOND_ONE = _("{name}, the second opinion")
SAID = _("{state}: {what}")
SAYS = _("probability of a manipulation: {p}")
SAYS_UNCALIBRATED = _("probability of a manipulation: {p}, not calibrated")
# Detectors that the reader chose
SIDE_BY_SIDE, SIDE_BY_SIDE_OF = _("Side by side"), _("Side by side: {face}")
COLUMNS = (_("Detector"), _("Looks for"), _("Measured by Telltale"), _("Answer"), _("Probability of manipulation"), _("Beside the first"))
WITHOUT_METHOD = _("Manipulations, without their method")
YES_NO = {True: _("Yes"), False: _("No")}
NOT_CALIBRATED = _("not calibrated")
COMPARED = {
    "same method": _("Agrees"), "same family": _("Agrees on the kind"), "same answer": _("Finds a manipulation, too"),
    "differs": _("Disagrees"), "other kind": _("Names another kind"), "undecided": _("Cannot be compared"),
    "combined": _("Is part of the first answer"),
}  # fmt: skip
NOT_JUDGED = _("It cannot judge this face.")
STRANGERS = _("How often detectors that were not measured are wrong is not known here: agreement with them proves little.")
# How many of them say what, by state; that of one that cannot judge the face is empty
ALL_OF_TWO = {
    "manipulated": _("Both detectors find a manipulation."), "no_manipulation_found": _("Neither finds a manipulation."),
    "inconclusive": _("Neither detector gives a definite answer."), "": _("Neither detector can judge this face."),
}  # fmt: skip
ALL = {
    "manipulated": _("All {total} detectors find a manipulation."),
    "no_manipulation_found": _("None of {total} detectors finds a manipulation."),
    "inconclusive": _("None of {total} detectors gives a definite answer."),
    "": _("None of {total} detectors can judge this face."),
}  # fmt: skip
OF_ALL = {
    "manipulated": lambda count: ngettext(
        "{count} of {total} detectors finds a manipulation", "{count} of {total} detectors find a manipulation", count
    ),
    "no_manipulation_found": lambda count: ngettext(
        "{count} of {total} detectors finds no manipulation", "{count} of {total} detectors find no manipulation", count
    ),
    "inconclusive": lambda count: ngettext(
        "{count} of {total} detectors gives no definite answer", "{count} of {total} detectors give no definite answer", count
    ),
}
BUT = {
    "no_manipulation_found": lambda count: ngettext("{count} finds none", "{count} find none", count),
    "inconclusive": lambda count: ngettext("{count} gives no definite answer", "{count} give no definite answer", count),
    "": lambda count: ngettext("{count} cannot judge this face", "{count} cannot judge this face", count),
}
SOME = _("{clauses}.")
"""Whole clauses, which no language puts into another order: the first one says of how many, those behind it `BUT`."""
NEXT_TITLE = _("What to do next")
NEXT = (
    _("Compare both heatmaps with the picture, and the marked areas where there are any."),
    _("Look for an earlier or a larger copy of the file, or for other pictures of the same scene, and examine those."),
    _("Check who published it first. Until then, rely on neither answer."),
)
# Grad-CAM
HEAT_TITLE_OF = _("Where {name} looked: {method}")
HEAT_HEADING = _("Where it looked")
HEAT_SLIDER = _("Drag to compare what the second detector saw with its heatmap")
EVIDENCE_SHARE = {
    "spread": _("{share} of the picture carries the evidence: it is spread over the whole picture, as the traces of a generator are."),
    "part": _("{share} of the picture carries the evidence; the traces of a generator are usually spread over all of it."),
    "gathered": _(
        "{share} of the picture carries the evidence, which is unusual for a wholly generated face. Compare it with the patches."
    ),
}
MAP_HEADING = _("Among the faces that it knows")
NEIGHBOURS_HEADING = _("Nearest of its reference faces")
HEAT_OF_OTHER = _("The picture is as {name} saw it.")
LIMITS_TITLE = _("How good is {name}? Measured.")
UNMEASURED_TITLE = _("How good is {name}? Not measured.")
NO_REFERENCES = _("{name} brings no reference faces, so there is no map of it and no nearest faces.")
LIMITS_SUMMARY = _("What {name} cannot tell")
# Patch by patch
PATCH_TITLE = _("Patch by patch")
PATCH_HINT = _("Each small square is read alone: a generated face that was pasted into a photograph shows as an island.")
PATCH_BUTTON = _("Examine patch by patch")
PATCH_WORKING = _("Reading the patches")
PATCH_FAILED = _("The patches could not be read.")
PATCH_OUR_FAULT = _("Something went wrong on our side. Try again, or give the file again.")
PATCH_CLEAR = _("No traces found (clear)")
PATCH_FACE = _("Examined face")
PATCH_NOT_READ = _("Not read")
PATCH_LEGEND = _("Patches by answer")
PATCHES_NONE = _("None of {patches} patches looks generated.")
PATCHES_EVERYWHERE = _("The traces are all over the part that was read, as in a wholly generated picture.")
NO_TWO_TOUCH = _("No two of them touch.")
ONE_ISLAND = _("They form one island.")
SEVERAL_ISLANDS = _("They form {islands} islands; the largest holds {share} of them.")
LARGEST = (
    (_("It lies at the upper left."), _("It lies at the top."), _("It lies at the upper right.")),
    (_("It lies on the left."), _("It lies in the middle."), _("It lies on the right.")),
    (_("It lies at the lower left."), _("It lies at the bottom."), _("It lies at the lower right.")),
)
"""Where the largest island lies in the picture, by thirds, from the top and from the left."""
ON_AND_AROUND = _("On the examined face it is {on} of {on_all}, around it {around} of {around_all}.")
FACE_STANDS_OUT = _("The face stands out from its surroundings: that is what a generated face in a photograph looks like.")
FACE_DOES_NOT_STAND_OUT = _("The face does not stand out from its surroundings.")
PATCH_CANNOT = _(
    "Read alone, a patch is wrong far more often than the whole face: small islands mean nothing, and an island shows where to look, \
not what was done."
)
PATCH_MEASURED = {
    "test": _(
        "Measured on photographs with a pasted generated face, of new faces of known collections: by generator, {inside} of the \
patches inside it looked generated, and {outside} of those outside it."
    ),
    "cross": _(
        "Measured on photographs with a pasted generated face, of collections that it never saw: by generator, {inside} of the \
patches inside it looked generated, and {outside} of those outside it."
    ),
}
PATCH_SIZE = _("A patch covers about {side} × {side} px of the original.")
PATCH_TIP = _("{method}, {p}")


def patches_count(generated: int, patches: int) -> Message:
    """How many of the patches look generated; at least one does."""
    form = ngettext("{generated} of {patches} patches looks generated.", "{generated} of {patches} patches look generated.", generated)
    return form.format(generated=generated, patches=patches)


def how_many(states: Sequence[str]) -> Message:
    """How many of several detectors say what of a face, in one sentence; the state of one that cannot judge it is empty."""
    total, (most, *_rest) = len(states), states
    if set(states) == {most}:
        return ALL_OF_TWO[most] if total == 2 else ALL[most].format(total=total)
    (head, count), *rest = [(state, states.count(state)) for state in ALL if state in states]
    clauses = [OF_ALL[head](count), *(BUT[state](number) for state, number in rest)]
    return SOME.format(clauses=listed([one.format(count=one.count, total=total) for one in clauses]))


def name_of(detector: str) -> str:
    """The name of a detector for people."""
    return NAMES.get(detector, detector)


def spread(evidence_share: float) -> str:
    """`spread`, `part` or `gathered`. The steps are ours: half of the generated test faces of each class lie above 28 %, nine tenths above
    15 % (table "Spread of the evidence, test" of the card); a disc across a third of the picture would give 14 %."""
    return "spread" if evidence_share >= 0.28 else "part" if evidence_share >= 0.15 else "gathered"
