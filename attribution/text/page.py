"""Every sentence that the page and the report say to people. Plain text: whoever shows it escapes it."""

from attribution.evidence import UNKNOWN_FAMILY, DetectorInfo, Verdict

NAME = "Telltale"
PURPOSE = "Was this face manipulated, by which method, and how far can that answer be trusted?"
MODE_BUTTON = "Switch between light and dark"
# The way in
DROP_LABEL = "Drop a picture or a clip"
DROP_WORDS = "Drop a picture or a clip here,\nor click to choose one"
DROP_HINT = "JPEG, PNG, WebP, GIF, MP4, MOV, MKV, WebM or AVI, up to {megabytes} MB."
DROP_PRIVACY = "Files are not kept: pictures are deleted once examined, clips when you leave or after 10 minutes."
EXAMPLES_TITLE = "Or try an example"
EXAMPLES = {
    "astronaut.png": ("An untouched portrait", "Eileen Collins, NASA, public domain"),
    "landmark_swap.png": ("A face swap", "Grace Hopper’s face warped onto Eileen Collins by its landmarks; made with Telltale"),
    "autoencoder_swap.png": ("A re-synthesised face", "Drawn anew by a small auto-encoder; made with Telltale"),
    "grace_hopper.jpg": ("An untouched older portrait", "Grace Hopper, US Navy, public domain"),
    "clip_seconds_3_to_5.mp4": (
        "A clip, manipulated for two seconds",
        "Eight seconds made from these pictures; the face of 3 to 5 is drawn anew",
    ),
}
"""By file name, in the order of the page: a title, and where it comes from."""
# While it works
WAITING = "Waiting for the detector"
STARTING = "Starting the detector"
DETECTOR_STARTING = "Detector is starting …"
DETECTOR_READY = "{name} is ready on {device}"
DETECTOR_FAILED = "No detector"
# What can go wrong
PROBLEM = "This file could not be examined"
OUR_FAULT = "Something went wrong on our side; nothing about your file was kept."
GONE = "This result is no longer in memory. Give the file again."
UPLOAD_GONE = "The upload did not arrive in one piece. Give the file again."
# The verdict
STATES = {"manipulated": "Manipulated", "no_manipulation_found": "No manipulation found", "inconclusive": "Inconclusive"}
STATES_EXPLAINED = {
    "manipulated": "The detector recognises the traces of a manipulation.",
    "no_manipulation_found": "The detector found none of the manipulations that it knows. That does not show that there is none.",
    "inconclusive": "The detector gives no answer, and says why.",
}
FAMILIES = {
    "real": "No manipulation", "face_swap": "Face swap", "reenactment": "Reenactment", "gan": "GAN-generated",
    "diffusion": "Diffusion-generated", "unknown": "Unknown method",
}  # fmt: skip
UNKNOWN_OF_FAMILY = "{family} by a method that this detector does not know"
UNKNOWN = "A method that this detector does not know"
NOT_TOLD = "A method that its labels do not tell"
CONFIDENCE = "{words} confidence"
UNCALIBRATED = {
    "manipulated": "probability of a manipulation, not calibrated: Telltale has not measured this detector",
    "no_manipulation_found": "probability of no manipulation, not calibrated: Telltale has not measured this detector",
}
"""In place of a confidence, where nothing was measured that it could rest on."""
WHY = "Why"
CANNOT_TELL = "What this detector cannot tell"
ALL_LIMITS = "All measured limits"
WHAT_IS_KNOWN = "What is known of it"
NO_LIMITS = "The card of this detector states no limits. Treat its answers with great care."
NOT_PROOF = "A detector is a lead to follow, not proof. Check the source, the place and the time as well."
# The faces
FACES_TITLE = "Faces in this file"
WHOLE_TITLES = {"picture": "The picture that was judged", "clip": "The clip that was judged"}
WHOLE = {"picture": "The whole picture", "clip": "The whole clip"}
"""In place of a face, for detectors that look at no faces; by the kind of file."""
WHOLE_AS_SEEN = {"picture": "The picture as the detector saw it", "frame": "The frame as the detector saw it"}
WHOLE_HINT = "This detector looks for no faces: its answer, its numbers and its heatmap are about all that it sees at once."
WHOLE_PART = "It sees what lies within the outline."
CHOOSE_FACE = "Choose a face"
LARGEST_OF = "The {shown} largest of {found} faces were examined."
NO_FACE = "No face was found."
FACE = "Face {number}"
FACE_OF = "Face {number} of {total}"
PLAYER_MISSING = "Browsers cannot play this kind of clip. You see the frames that were examined instead."
PLAYER_FAILED = "This browser cannot play the clip. You see the frames that were examined instead."
TIMELINE_TITLE = "Over time"
TIMELINE_HINT = "Click the curve, or use the arrow keys, to go to that moment."
TIMELINE_AXIS = "probability of manipulation"
WORST = "Most suspicious stretch: {first}–{last}, {p} probability of manipulation."
# One face
METHODS_TITLE = "Which method"
METHODS_HINT = "Calibrated probability of every method that the detector knows, grouped by family."
METHODS_UNCALIBRATED = "What the detector gives each of its labels. These numbers are not calibrated, and Telltale has not measured them."
HEATMAP_TITLE = "Where the network looked"
HEATMAP_CHOICE = "Explain the answer"
HEATMAP_SLIDER = "Drag to compare what the detector saw with the heatmap"
HEATMAP_COLD = "ignored"
HEATMAP_HOT = "decisive"
HEATMAP_WARNING = "A heatmap shows where the network looked, not what was changed. It is not proof."
FAITHFUL_TITLE = "Does the heatmap explain the answer?"
FAITHFUL = {
    "yes": "It does, as far as this test can tell.",
    "weakly": "Only a little.",
    "no": "No. Hiding the hot areas matters no more than hiding any other area: do not rely on this heatmap.",
}
DELETION = "When the hottest fifth is blurred away, the probability of “{method}” {hot}; when random areas of that size are, it {random}."
DELETION_HOT = "Hottest fifth"
DELETION_RANDOM = "Random areas"
DELETION_UNIT = "Points of probability lost when the area is blurred"
MAP_TITLE = "Among known methods"
MAP_HINT = "Each mark is a reference face of a known method; neighbours look alike to the detector. The examined face is ringed."
ATYPICAL = "{share} of ordinary test faces lie nearer to their neighbours than this one does."
ATYPICAL_WARNING = "The detector has seen little like it: trust the answer less."
NEIGHBOURS_TITLE = "Nearest reference faces"
NEIGHBOURS_HINT = "Distance 0 means the same to the detector, 1 unrelated."
NEIGHBOURS_HEAD = ("Method", "Source", "Distance")
NO_REFERENCES = "This detector brings no reference faces, so there is no map and no nearest faces: whether it has seen anything like this \
cannot be said."
# Limits and custody
LIMITS_TITLE = "How good is this detector? Measured."
LIMITS_HINT = "Measured on faces that training never saw. Sources marked as unseen were collected by other people, or made with other \
tools, than those it was trained on."
UNMEASURED_TITLE = "How good is this detector? Not measured."
UNMEASURED_HINT = "Telltale has never examined faces of known origin with this detector. What its makers say of it stands in its \
repository; take its answers as a question, not as a finding."
CUSTODY_TITLE = "For your records"
REPORT_BUTTON = "Report (HTML)"
JSON_BUTTON = "Result (JSON)"
REPORT_TITLE = "Telltale report"
REPORT_UNUSABLE = "This file could not be used"
REPORT_NO_SIGNATURE = "Anyone can check that this report speaks of a given file: its SHA-256 must equal the one above. The report itself \
carries no signature."
MEASURE_NAMES = {
    "file": "File", "sha256": "SHA-256 of the original bytes", "bytes": "Size", "container": "Format",
    "pixels": "Picture", "duration": "Length", "frames": "Frames examined", "notes": "Notes on reading",
    "detector": "Detector", "source": "Where it came from", "adapter": "Format that it was read from",
    "weights": "SHA-256 of its weights", "licence": "Licence of the detector", "second": "Second detector",
    "second_source": "Where that came from", "second_weights": "SHA-256 of that one’s weights", "settings": "Settings",
    "versions": "Versions", "created": "Examined (UTC)",
}  # fmt: skip
FACE_MEASURES = {
    "p": "Probability of manipulation", "now": "At {moment}", "size": "Face in the file", "whole_size": "Judged area",
    "sharpness": "Sharpness", "brightness": "Brightness", "seen": "Seen",
}  # fmt: skip
SHARPNESS_UNIT = "variance of the Laplacian"


def method_words(verdict: Verdict, detector: DetectorInfo) -> str:
    """The method of a manipulation in plain words; empty for any other state."""
    if verdict.method is None:
        return ""
    if verdict.method in detector.labels:
        return detector.display(verdict.method)
    if verdict.family in FAMILIES:
        return UNKNOWN_OF_FAMILY.format(family=FAMILIES[verdict.family])
    return NOT_TOLD if UNKNOWN_FAMILY in detector.families else UNKNOWN
