"""The fixed sentences of the page of measured limits. What the numbers say is said beside the numbers, in `attribution.measured`."""

from attribution.messages import gettext as _

PAGE = _("Measured limits")
PATH = "limits"
INTRO = _("Measured on faces that training did not use. In brackets: the 95 % interval, where the true value plausibly lies; n: faces.")
BACK = _("Examine a file")
LINK = _("Measured limits")
SEE_ALL = _("See all measured limits")
NEW_TAB = _("opens in a new tab")
LOADING = _("The measured limits are shown as soon as the detector is ready.")
NO_DETECTOR = _("There is no detector, so there are no limits to show.")
CHAPTERS = _("Detectors")
CHAPTER = {"any": _("{name}"), "generated": _("{name}: which generator"), "face_swap": _("{name}: swapped parts")}
EXPAND = _("Expand all")
CLOSE = _("Close all")
ALL_NUMBERS = _("All numbers: {title}")
CSV_OF = _("CSV: {title}")
UNPACKING = _("The table is being unpacked …")

# The first view
ACCUSED = _("Untouched faces accused")
CLEARED = _("Manipulated faces passed")
ABSTAINS = _("No answer: untouched / manipulated")
UNSEEN, UNSEEN_SOURCES = _("Methods it never saw: passed"), _("Sources it never saw: passed")
POINTS = _("Swapped parts that its boxes hit")
MEASURED_ON = _("95 % interval {interval}, n = {n}: {place}.")
SILENT_ON = _("{untouched} / {manipulated}: {place}.")
NOT_MEASURED = _("Not measured")
NOT_MEASURED_WHY = _("Nothing measured for this detector answers this.")
STATED_LIMITS = _("What it cannot do")
CHART_TITLE = _("Answers by source of the faces")
CHART_SAYS = _("Its answers for each source; the table of every source is below.")
NEVER_SEEN = _("Collections it never saw")
KNOWN = _("New faces, known collections")
UNKNOWN_GENERATORS = _("Generators it does not know")
MANIPULATED, NONE_FOUND, INCONCLUSIVE = _("Manipulated"), _("No manipulation found"), _("Inconclusive")
BAR = _("{source}, n = {n}: manipulated {manipulated}, no manipulation found {none_found}, inconclusive {inconclusive}")
POINT = _("{what}: {figure}")
POINT_OF = _("{what}: {figure}, n = {n}")
COUNTED = _("{name} ({n})")
UNTOUCHED = _("Untouched")
SOURCE_ON = _("{method} on {collection}")

GROUPS = {
    "sources": _("Where the faces come from"), "unseen": _("What training never saw"), "questions": _("Questions of the study"),
    "trust": _("How far to trust a number"), "whom": _("For whom and what it fails"), "tried": _("How it came about"),
    "compared": _("Beside the first default detector"), "scope": _("What it does not know"), "patches": _("Where the evidence lies"),
    "better": _("Beside a plain detector"), "where": _("Where it points"), "second": _("As a second opinion"),
}  # fmt: skip
REST_TITLE = _("Everything else")
OTHER_TITLE = _("Every other table of its card")
MISSING_TITLE = _("What is missing here")
BROKEN_TABLE = _("The study’s table “{key}” is not well formed.")
NO_TABLE = _("The detector’s card does not hold these measurements.")

# By key: a question, and how to read its figure.
QUESTIONS = {
    "sources-cross": (_("How does it do on collections it never saw?"), _("A bar is all faces of a source. Training used none of them.")),
    "sources-test": (
        _("How does it do on new faces of known collections?"),
        _("A stranger’s picture is more like collections it never saw."),
    ),
    "cross-auc": (
        _("Does it hold when untouched and manipulated faces come from different places?"),
        _("Row: where the manipulated faces are from; column: the untouched ones. AUC 1: always told apart; 0.5: a coin."),
    ),
    "methods": (_("Which method does it name?"), _("Row: what the faces are; column: what was answered. Outlined: right.")),
    "methods-cross": (_("Which generator does it name, in collections it never saw?"), _("Row: what the faces are; column: the answer.")),
    "leave-out": (
        _("A source or a method left out of training?"),
        _("Trained without it, then asked. A careful detector turns to inconclusive."),
    ),
    "matrix": (
        _("Trained here, tested there?"),
        _(
            "Row: a source; column: a training (“everything”: of the first default detector); cell: AUC. Outlined: never seen by that \
training."
        ),
    ),
    "open-set": (
        _("Does it notice a method it does not know?"),
        _("Each method was held out in turn. AUROC 1: always noticed; 0.5: a coin."),
    ),
    "rq1": (_("Better to learn which method, or only whether?"), _("The same networks and faces; further right is better.")),
    "rq2": (
        _("Does it know a method again elsewhere?"),
        _("Recall: share of a method’s faces named rightly. Every face counts as independent."),
    ),
    "rq3": (_("Does a contrastive loss help?"), _("The same training with and without it; further right is better.")),
    "backbones": (_("Does a larger network help?"), _("Difference of the AUC, first less second; an interval over 0 shows none.")),
    "calibration": (
        _("Is 90 % right nine times out of ten?"),
        _("Above the diagonal: more often right than it said. Larger dot: more faces."),
    ),
    "coverage": (
        _("What does silence buy?"),
        _("Read against the axis: the fewer faces it answers, the surest first, the more are right."),
    ),
    "localisation": (
        _("Does it point at the right place?"),
        _("A hit: the middle of the box, or the hottest point, lies in the changed area."),
    ),
    "lightness": (
        _("Errors by lightness of the face?"),
        _("Lightness mixes skin and light. Most different groups compared: chance is possible."),
    ),
    "size": (_("Errors by size of the face?"), _("By width in the original picture. Most different groups compared: chance is possible.")),
    "shortcuts": (
        _("Could it cheat?"),
        _("A probe guesses the family from one cue alone. Above chance (the mark), the cue gives it away."),
    ),
    "tried": (_("What was tried?"), _("For the first default detector, telltale-mobilenetv2, which telltale-attribution has replaced.")),
    "side-by-side": (
        _("Better than the first default detector?"),
        _("It is telltale-mobilenetv2, since replaced. The same faces for both. Further right is better; of false alarms, left."),
    ),
    "robustness": (_("What do compression, blur, resizing and noise cost?"), _("The change grows to the right; first the face as it is.")),
    "verdicts-unknown": (
        _("What does it say of generators it does not know?"),
        _("Manipulated is right, under whatever name; passed is wrong."),
    ),
    "unknown": (_("Does it notice a generator it does not know?"), _("AUROC 1: always noticed; 0.5: a coin.")),
    "verdicts-swaps": (_("What would it say of face swaps?"), _("The app does not ask it about them.")),
    "islands": (_("Does a pasted face show as an island?"), _("Patches read alone. The further apart, the clearer the island.")),
    "ablation": (_("What is each part of the training worth?"), _("One training each: luck of a training is not in the intervals.")),
    "told-apart": (_("Better than a plain detector?"), _("AUC 1: always told apart; 0.5: a coin. Clips are judged by all their faces.")),
    "identity": (
        _("Less identity, better generalisation?"),
        _("A probe guesses the person from features: further left it knows less. AUC: further right is better. DFDC is not elsewhere."),
    ),
    "boxes": (_("How sure must a box be?"), _("The wider the two curves are apart, the better.")),
    "second-test": (_("What does asking it change, on known collections?"), _("Where two definite answers contradict, none is left.")),
    "second-cross": (_("What does asking it change, on collections it never saw?"), _("Neither detector saw them.")),
}
TITLES, READING = ({key: words[at] for key, words in QUESTIONS.items()} for at in (0, 1))
UNCHANGED = _("as is")
SPLITS = {
    "test": _("new faces, known collections"), "cross": _("collections it never saw"), "DFDC": _("DFDC face swaps"),
    "unseen swaps": _("swaps of a kind it never saw"), "unseen partial swaps": _("partial swaps of a kind it never saw"),
    "val": _("validation faces"), "test, seen": _("new faces, known collections"),
    "test, left out": _("sources and a method left out of all"),
}  # fmt: skip
LEFT_OUT = {
    "method": _("Methods left out"),
    "source": _("Manipulated faces of sources left out"),
    "untouched source": _("Untouched faces of sources left out"),
}
FIRST_LEFT_OUT = _("methods left out of shorter trainings of the first default detector, telltale-mobilenetv2")
METHODS = {
    "dfdc_swap": "Face swap (DFDC programs)", "landmark_swap": "Face swap (landmark warp)", "self_blended": "Face blend (blending border)",
    "autoencoder_swap": "Face swap (auto-encoder)", "stylegan2": "StyleGAN2", "generated_photos": "generated.photos",
    "sdxl": "Stable Diffusion XL", "flux1": "FLUX.1", "sd21": "Stable Diffusion 2.1",
}  # fmt: skip
"""What tables call methods that are no label of the cards at hand: the labels of the first default detector, as its card said them."""
KEYS = {
    "methods": _("attribution"), "none": _("cross-entropy alone"), "supcon": _("supervised contrastive"), "ntxent": _("NT-Xent"),
    "accused": _("accused"), "cleared": _("passed"), "inconclusive": _("inconclusive"),
}  # fmt: skip
