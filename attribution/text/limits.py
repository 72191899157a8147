"""The fixed sentences of the page of measured limits. What the numbers say is built from the numbers, in `attribution.measured`."""

from pathlib import Path

from attribution.messages import gettext as _


def catalogue(name: str) -> tuple[dict[str, str], dict[str, str]]:
    """Titles of sections, and how to read them, by key, from `reading/NAME.md`: `# key: title`, and below it the sentences."""
    words = (Path(__file__).parent / "reading" / f"{name}.md").read_text(encoding="utf-8")
    parts = [part.partition("\n") for part in f"\n{words.strip()}".split("\n# ")[1:]]
    heads = [(head.partition(": "), " ".join(lines.split())) for head, _, lines in parts]
    return {key: _(title) for (key, _colon, title), _lines in heads}, {key: _(reading) for (key, *_rest), reading in heads}


PAGE = _("Measured limits")
PATH = "limits"
INTRO = _(
    "What this detector gets wrong, how often, and where. Every figure was measured on faces that training did not use; the range \
after a figure is its 95 % interval: where the true value plausibly lies."
)
BACK = _("Examine a file")
LINK = _("Measured limits")
SEE_ALL = _("See all measured limits")
NEW_TAB = _("opens in a new tab")
LOADING = _("The measured limits are shown as soon as the detector is ready.")
NO_DETECTOR = _("There is no detector, so there are no limits to show.")
CONTENTS = _("On this page")
ANSWERS_TITLE = _("In short")
ACCUSED = _("How often is an untouched face accused?")
CLEARED = _("How often does a manipulated face pass?")
ABSTAINS = _("How often does it give no answer?")
UNSEEN = _("What of methods it never saw?")
NOT_MEASURED = _("Not measured")
NOT_MEASURED_WHY = _("Nothing measured for this detector answers this question.")
STATED_LIMITS = _("What its makers say it cannot do")
HOW = _("How to read this.")
MISSING_TITLE = _("What is missing here")
BROKEN_TABLE = _("The study’s table “{key}” is not well formed.")
OTHER_TITLE = _("Every other table of its card")
GROUPS = {
    "sources": _("Where the faces come from"), "unseen": _("What training never saw"), "questions": _("Questions of the study"),
    "trust": _("How far to trust a number"), "whom": _("For whom and what it fails"), "tried": _("How it came about"),
}  # fmt: skip
TITLES, READING = catalogue("limits")
UNCHANGED = _("as is")
CHAPTERS = _("Detectors")
CHAPTER = {"any": _("{name}"), "generated": _("{name}: which generator drew it"), "face_swap": _("{name}: is a part swapped, and where")}
CHAPTER_HINT = _("The first one answers for every face; the others are asked for a second opinion on the kind of faces that they know.")
GENERATOR_GROUPS = {
    "compared": _("Beside the default detector"),
    "scope": _("What it does not know"),
    "patches": _("Where the evidence lies"),
}
GENERATOR_TITLES, GENERATOR_READING = catalogue("generators")
SPLITS = {
    "test": _("new faces, known collections"), "cross": _("collections it never saw"), "DFDC": _("DFDC face swaps"),
    "val": _("validation faces"), "test, seen": _("new faces, known collections"),
    "test, left out": _("sources and a method left out of all"),
}  # fmt: skip
LEFT_OUT = {
    "": _("Left out"),
    "method": _("Methods left out"),
    "source": _("Manipulated faces of sources left out"),
    "untouched source": _("Untouched faces of sources left out"),
}
KEYS = {
    "methods": _("attribution"), "none": _("cross-entropy alone"), "supcon": _("supervised contrastive"), "ntxent": _("NT-Xent"),
    "cleared": _("passed"),
}  # fmt: skip
