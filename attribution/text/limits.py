"""The fixed sentences of the page of measured limits. What the numbers say is built from the numbers, in `attribution.measured`."""

from pathlib import Path


def catalogue(name: str) -> tuple[dict[str, str], dict[str, str]]:
    """Titles of sections, and how to read them, by key, from `reading/NAME.md`: `# key: title`, and below it the sentences."""
    words = (Path(__file__).parent / "reading" / f"{name}.md").read_text(encoding="utf-8")
    parts = [part.partition("\n") for part in f"\n{words.strip()}".split("\n# ")[1:]]
    heads = [(head.partition(": "), " ".join(lines.split())) for head, _, lines in parts]
    return {key: title for (key, _, title), _ in heads}, {key: reading for (key, *_), reading in heads}


PAGE = "Measured limits"
PATH = "limits"
INTRO = "What this detector gets wrong, how often, and where. Every figure was measured on faces that training did not use; the range \
after a figure is its 95 % interval: where the true value plausibly lies."
BACK = "Examine a file"
LINK = "Measured limits"
SEE_ALL = "See all measured limits"
NEW_TAB = "opens in a new tab"
LOADING = "The measured limits are shown as soon as the detector is ready."
NO_DETECTOR = "There is no detector, so there are no limits to show."
CONTENTS = "On this page"
ANSWERS_TITLE = "In short"
ACCUSED = "How often is an untouched face accused?"
CLEARED = "How often does a manipulated face pass?"
ABSTAINS = "How often does it give no answer?"
UNSEEN = "What of methods it never saw?"
NOT_MEASURED = "Not measured"
NOT_MEASURED_WHY = "Nothing measured for this detector answers this question."
STATED_LIMITS = "What its makers say it cannot do"
HOW = "How to read this."
MISSING_TITLE = "What is missing here"
BROKEN_TABLE = "The study’s table “{key}” is not well formed."
OTHER_TITLE = "Every other table of its card"
GROUPS = {
    "sources": "Where the faces come from", "unseen": "What training never saw", "questions": "Questions of the study",
    "trust": "How far to trust a number", "whom": "For whom and what it fails", "tried": "How it came about",
}  # fmt: skip
TITLES, READING = catalogue("limits")
UNCHANGED = "as is"
CHAPTERS = "Detectors"
CHAPTER = {"any": "{name}", "generated": "{name}: which generator drew it", "face_swap": "{name}: is a part swapped, and where"}
CHAPTER_HINT = "The first one answers for every face; the others are asked for a second opinion on the kind of faces that they know."
GENERATOR_GROUPS = {"compared": "Beside the default detector", "scope": "What it does not know", "patches": "Where the evidence lies"}
GENERATOR_TITLES, GENERATOR_READING = catalogue("generators")
SPLITS = {
    "test": "new faces, known collections", "cross": "collections it never saw", "DFDC": "DFDC face swaps",
    "val": "validation faces", "test, seen": "new faces, known collections",
    "test, left out": "sources and a method left out of all",
}  # fmt: skip
LEFT_OUT = {
    "": "Left out",
    "method": "Methods left out",
    "source": "Manipulated faces of sources left out",
    "untouched source": "Untouched faces of sources left out",
}
KEYS = {
    "methods": "attribution", "none": "cross-entropy alone", "supcon": "supervised contrastive", "ntxent": "NT-Xent",
    "cleared": "passed",
}  # fmt: skip
