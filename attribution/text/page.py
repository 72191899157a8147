"""Every sentence that the page and the report say to people. Plain text: whoever shows it escapes it."""

from typing import NamedTuple

from attribution.evidence import UNKNOWN_FAMILY, DetectorInfo, Verdict
from attribution.messages import gettext as _

NAME = "Telltale"
PURPOSE = _("Was this face manipulated, by which method, and how far can that answer be trusted?")
LANGUAGE = _("Language")
MODE_BUTTON = _("Switch between light and dark")
# The way in
DROP_LABEL = _("Drop a picture or a clip")
DROP_WORDS = _("Drop pictures or clips here,\npaste a picture (Ctrl+V), or click to choose")
DROP_HINT = _("JPEG, PNG, WebP, GIF, AVIF, MP4, MOV, MKV, WebM, AVI or MXF, up to {megabytes} MB.")
DROP_PRIVACY = _("Files are not kept: pictures are deleted once examined, clips when you leave or after 10 minutes.")
EXAMPLES_TITLE = _("Or try an example")


class Promise(NamedTuple):
    """An example: what it is called, where it comes from, and what the default detector has to say of it (a test holds it to that)."""

    title: str
    source: str
    state: str
    family: str | None = None
    original: str = ""
    """The example that it was made from, pixel for pixel: places marked on it have to lie where the two differ."""
    seconds: tuple[float, float] | None = None
    """The part of a clip that is manipulated."""


EXAMPLES = {
    "mouth_swap.jpg": Promise(
        _("A face swap"),
        _("Eileen Collins’s mouth on Grace Hopper’s face; made with Telltale"),
        "manipulated", "face_swap", original="grace_hopper.jpg",
    ),
    "astronaut.jpg": Promise(_("An untouched portrait"), _("Eileen Collins, NASA, public domain"), "no_manipulation_found", "real"),
    "clip_seconds_3_to_5.mp4": Promise(
        _("A clip, manipulated for two seconds"),
        _("Eight seconds made from these pictures; from 3 to 5 the mouth is another’s"),
        "manipulated", "face_swap", seconds=(3.0, 5.0),
    ),
    "autoencoder_swap.png": Promise(
        _("A redrawn face, inconclusive"),
        _("Drawn anew by a small auto-encoder, unlike anything the detector knows; made with Telltale"),
        "inconclusive",
    ),
    "generated_face.png": Promise(
        _("A generated face, inconclusive"),
        _("Drawn whole by a small auto-encoder, from half-way between the portraits; made with Telltale"),
        "inconclusive",
    ),
    "grace_hopper.jpg": Promise(
        _("An untouched portrait, inconclusive"), _("Grace Hopper, US Navy, public domain; the detector is not sure"), "inconclusive"
    ),
    "astronaut.png": Promise(
        _("The same portrait uncompressed, inconclusive"),
        _("Eileen Collins, NASA, public domain; the detector is not sure"),
        "inconclusive",
    ),
}  # fmt: skip
"""By file name, in the order of the page."""
DROP_ANOTHER = _("Examine another file")
# While it works
WAITING = _("Waiting for the detector")
STARTING = _("Starting the detector")
DETECTOR_STARTING = _("Detector is starting …")
DETECTOR_READY = _("{name} is ready on {device}")
DETECTOR_FAILED = _("No detector")
# What can go wrong
PROBLEM = _("This file could not be examined")
OUR_FAULT = _("Something went wrong on our side; nothing about your file was kept.")
GONE = _("This result is no longer in memory. Give the file again.")
UPLOAD_GONE = _("The upload did not arrive in one piece. Give the file again.")
# The verdict
STATES = {"manipulated": _("Manipulated"), "no_manipulation_found": _("No manipulation found"), "inconclusive": _("Inconclusive")}
STATES_EXPLAINED = {
    "manipulated": _("The traces of a manipulation were recognised."),
    "no_manipulation_found": _("None of the known manipulations was found. That does not show that there is none."),
    "inconclusive": _("There is no definite answer; the reasons say why."),
}
FAMILIES = {
    "real": _("No manipulation"), "face_swap": _("Face swap"), "reenactment": _("Reenactment"), "gan": _("GAN-generated"),
    "diffusion": _("Diffusion-generated"), "unknown": _("Unknown method"),
}  # fmt: skip
UNKNOWN_OF_FAMILY = _("{family} by a method that this detector does not know")
UNKNOWN = _("A method that this detector does not know")
NOT_TOLD = _("A method that its labels do not tell")
CONFIDENCE = _("{words} confidence")
UNCALIBRATED = {
    "manipulated": _("probability of a manipulation, not calibrated: Telltale has not measured this detector"),
    "no_manipulation_found": _("probability of no manipulation, not calibrated: Telltale has not measured this detector"),
}
"""In place of a confidence, where nothing was measured that it could rest on."""
WHY = _("Why")
CANNOT_TELL = _("How far to trust it")
ALL_LIMITS = _("All measured limits")
WHAT_IS_KNOWN = _("What is known of it")
NO_LIMITS = _("The card of this detector states no limits. Treat its answers with great care.")
NOT_PROOF = _("A detector is a lead to follow, not proof. Check the source, the place and the time as well.")
# The sections below
SECTIONS = {
    "where": _("Where"), "method": _("Which method"), "others": _("Other detectors"), "limits": _("Measured limits"),
    "records": _("For your records"),
}  # fmt: skip
SECTION_WAITING = _("One moment")
NO_OTHERS = _("No other detector was asked about this face.")
# The faces
FACES_TITLE = _("Faces in this file")
WHOLE_TITLES = {"picture": _("The picture that was judged"), "clip": _("The clip that was judged")}
WHOLE = {"picture": _("The whole picture"), "clip": _("The whole clip")}
"""In place of a face, for detectors that look at no faces; by the kind of file."""
WHOLE_AS_SEEN = {"picture": _("The picture as the detector saw it"), "frame": _("The frame as the detector saw it")}
WHOLE_HINT = _("This detector looks for no faces: it judges the whole picture.")
WHOLE_HINT_PART = _("This detector looks for no faces: it judges all that lies within the outline.")
CHOOSE_FACE = _("Choose a face")
LARGEST_OF = _("The {shown} largest of {found} faces were examined.")
NO_FACE = _("No face was found.")
FACE = _("Face {number}")
FACE_OF = _("Face {number} of {total}")
WHEN = _("{first}–{last}")
FACE_OF_WHEN = _("Face {number} of {total}, {first}–{last}")
BOX_LABEL = _("{face}: {state}")
MARKED_BOX_LABEL = _("{face}: {state}; marked areas: {count}")
PLAYER_MISSING = _("Browsers cannot play this kind of clip. You see the frames that were examined instead.")
PLAYER_FAILED = _("This browser cannot play the clip. You see the frames that were examined instead.")
TIMELINE_TITLE = _("Over time")
TIMELINE_HINT = _("Click the curve, or use the arrow keys, to go to that moment.")
TIMELINE_AXIS = _("probability of manipulation")
TIMELINE_SPAN = _("Probability of manipulation, from 0 s to {last}")
WORST = _("Most suspicious stretch: {first}–{last}, {p} probability of manipulation.")
# One face
METHODS_TITLE = _("Probabilities of the methods")
METHODS_REST = _("Methods under 1 %")
METHODS_HINT = _("Calibrated probability of every known method, grouped by family.")
METHODS_UNCALIBRATED = _("What the detector gives each of its labels: neither calibrated nor measured by Telltale.")
HEATMAP_TITLE = _("Where the network looked")
HEATMAP_TITLE_OF = _("Where the network looked: {method}")
HEATMAP_CHOICE = _("Explain the answer")
HEATMAP_SLIDER = _("Drag to compare what the detector saw with the heatmap")
HEATMAP_COLD = _("ignored")
HEATMAP_HOT = _("decisive")
HEATMAP_WARNING = _("A heatmap shows where the network looked, not what was changed. It is not proof.")
FAITHFUL_TITLE = _("Does the heatmap explain the answer?")
FAITHFUL = {
    "yes": _("It does, as far as this test can tell."),
    "weakly": _("Only a little."),
    "no": _("No: do not rely on this heatmap. Hiding what it marks matters no more than hiding any other area."),
}
DELETION = _("With the hottest fifth blurred away, the odds of “{method}” fall {hot}-fold; with random areas of that size, {random}-fold.")
DELETION_OF_HOT = _(
    "With the hottest fifth blurred away, the odds of “{method}” fall {hot}-fold; with random areas of that size, they do not fall."
)
DELETION_OF_NONE = _("With the hottest fifth blurred away, the odds of “{method}” do not fall.")
DELETED = (_("Hottest fifth"), _("Random areas"))
DELETION_UNIT = _("How many times smaller the odds (for, divided by against) become")
MAP_TITLE = _("Among known methods")
MAP_HINT = _("Each mark is a reference face of a known method; neighbours look alike to the detector. The examined face is ringed.")
NEIGHBOURS_TITLE = _("Nearest reference faces")
FARTHER = _("This face lies farther from them than {share} of ordinary test faces do.")
ATYPICAL_WARNING = _("The detector has seen little like it: trust the answer less.")
ONE_BY_ONE = _("One by one")
NEIGHBOURS_HINT = _("Distance 0 means the same to the detector, 1 unrelated.")
NEIGHBOURS_HEAD = (_("Method"), _("Source"), _("Distance"))
NO_REFERENCES = _("This detector brings no reference faces: whether it has seen anything like this cannot be said.")
# Limits and custody
LIMITS_TITLE = _("How good is this detector? Measured.")
LIMITS_HINT = _("Measured on faces that training never saw.")
UNMEASURED_TITLE = _("How good is this detector? Not measured.")
UNMEASURED_HINT = _("Telltale has never measured this detector: take its answers as a question, not as a finding.")
CUSTODY_TITLE = _("For your records")
MORE_RECORDS = _("Everything else on record")
FRAMES_OF = _("{read} of {wanted}")
REPORT_BUTTON = _("Report (HTML)")
JSON_BUTTON = _("Result (JSON)")
REPORT_TITLE = _("Telltale report")
REPORT_UNUSABLE = _("This file could not be used")
REPORT_NO_SIGNATURE = _("This report speaks of the file whose SHA-256 equals the one above. It carries no signature.")
MEASURE_NAMES = {
    "file": _("File"), "sha256": _("SHA-256 of the original bytes"), "bytes": _("Size"), "container": _("Format"),
    "pixels": _("Picture"), "duration": _("Length"), "frames": _("Frames examined"), "notes": _("Notes on reading"),
    "detector": _("Detector"), "source": _("Where it came from"), "adapter": _("Format that it was read from"),
    "weights": _("SHA-256 of its weights"), "licence": _("Licence of the detector"), "second": _("Second detector"),
    "second_source": _("Where that came from"), "second_weights": _("SHA-256 of that one’s weights"), "settings": _("Settings"),
    "versions": _("Versions"), "created": _("Examined (UTC)"),
}  # fmt: skip
MEASURES_TITLE = _("Measures of this face")
FACE_MEASURES = {
    "p": _("Probability of manipulation"), "now": _("At {moment}"), "size": _("Face in the file"), "whole_size": _("Judged area"),
    "sharpness": _("Sharpness"), "brightness": _("Brightness"), "seen": _("Seen"),
}  # fmt: skip
PIXELS, WIDE = _("{width} × {height} px"), _("{side} px wide")
WIDE_BUT_SOFT = _("{side} px wide, with {detail} px of detail")
SHARPNESS = _("{value} (variance of the Laplacian)")
BRIGHTNESS = _("{value} of 255")


def method_words(verdict: Verdict, detector: DetectorInfo) -> str:
    """The method of a manipulation in plain words; empty for any other state."""
    if verdict.method is None:
        return ""
    if verdict.method in detector.labels:
        return detector.display(verdict.method)
    if verdict.family in FAMILIES:
        return UNKNOWN_OF_FAMILY.format(family=FAMILIES[verdict.family])
    return NOT_TOLD if UNKNOWN_FAMILY in detector.families else UNKNOWN
