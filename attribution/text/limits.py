"""The fixed sentences of the page of measured limits. What the numbers say is built from the numbers, in `attribution.measured`."""

from __future__ import annotations


def catalogue(words: str) -> tuple[dict[str, str], dict[str, str]]:
    """Titles of sections, and how to read them, by key: `# key: title`, and below it the sentences."""
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
    "sources": "Where the faces come from",
    "unseen": "What training never saw",
    "questions": "Questions of the study",
    "trust": "How far to trust a number",
    "whom": "For whom and what it fails",
    "tried": "How it came about",
}

TITLES, READING = catalogue("""
# sources-cross: Collections that it never saw
Each bar is all faces of one source, split into the three answers; the dot beside it is the share of wrong ones among the definite
answers, and its line the 95 % interval. None of these collections was used in training.
# sources-test: New faces from collections that it trained on
As above, for faces that training did not use, but from collections that it did use. An intake of new pictures resembles the figure above
more than this one.
# methods: Which method it names
A row is what the faces are, a column what was answered; a cell is the share of the row, darker for more. A perfect detector has dark
cells on the outlined diagonal only.
# leave-out: A source or a method left out of training
Each line is one source or method that was taken out of training, and what the whole verdict then said of it. A careful detector turns to
inconclusive here; a careless one is wrong.
# matrix: Trained here, tested there
A row is a source of faces, a column one training; a cell is the AUC (1: always told apart, 0.5: a coin). Outlined cells are sources that
this training never saw.
# open-set: Does it notice a method that it does not know?
Each method was held out in turn, and scores tried to tell its faces from known ones. A cell is the AUROC: 1 always told apart, 0.5 a
coin.
# rq1: Is it better to learn which method, or only whether?
The same networks were trained to answer manipulated or not (binary), and which method (attribution), on the same faces. Dots are AUC with
their intervals; further right is better.
# rq2: Does it know a method again in faces from elsewhere?
Recall is the share of a method’s faces that are named rightly. Filled dots are sources that training saw, hollow dots sources that it did
not see. The overall figures count every face as independent.
# rq3: Does a contrastive loss help?
The same training with cross-entropy alone and with a contrastive loss beside it. Dots are AUC with their intervals; further right is
better.
# backbones: Does a larger network help?
The same training with another network. A dot is the difference of the AUC, first minus second, with its interval; where the interval
crosses the line, no difference was shown.
# calibration: Is 90 % right nine times out of ten?
Answers are put into bins by their confidence; a dot above the diagonal was right more often than it said, one below it less often. Larger
dots hold more faces.
# coverage: What silence buys
Read from right to left: the fewer faces it answers, the surest first, the more of its answers are right. The band is the 95 % interval.
# lightness: Errors by lightness of the face
Faces are sorted by how light they appear, which mixes skin and light. Accused: untouched, called manipulated. Passed: manipulated, no
manipulation found. The most different groups are compared, so a small difference may still be chance.
# size: Errors by size of the face
Faces are sorted by their width in the original picture. Accused: untouched, called manipulated. Passed: manipulated, no manipulation
found. The most different groups are compared, so a small difference may still be chance.
# shortcuts: Could it cheat?
A small probe guesses the family of a face from one cue alone, such as its compression. If it beats chance (the line), a detector could be
right for the wrong reason.
# localisation: Does it point at the right place?
The changed area of these faces is known. A hit: the middle of the box, or the hottest point of the heatmap, lies in it. The overlap (IoU)
is 1 when the two areas are the same. A pointer that is no better than guessing shows nothing.
# tried: What was tried
One row for each idea, with the figure before and after. Losers are listed too.
""")

UNCHANGED = "as is"
CHAPTERS = "Detectors"
CHAPTER = {"any": "{name}", "generated": "{name}: which generator drew it", "face_swap": "{name}: is a part swapped, and where"}
CHAPTER_HINT = "The first one answers for every face; the others are asked for a second opinion on the kind of faces that they know."

GENERATOR_GROUPS = {"compared": "Beside the default detector", "scope": "What it does not know", "patches": "Where the evidence lies"}
GENERATOR_TITLES, GENERATOR_READING = catalogue("""
# methods-cross: Which generator it names, in collections that it never saw
A row is what the faces are, a column what was answered; a cell is the share of the row, darker for more. The same architectures, but
collected by others: recall here says whether it knows the architecture or the collection.
# side-by-side: Is it better than the default detector?
Both detectors answered the same faces. Filled dots are this detector, hollow dots the default one, lines 95 % intervals. In rows of
recall and macro-F1 further right is better; in rows of false alarms further left is.
# robustness: What compression, blur, resizing and noise cost
Each plot is one kind of change that grows to the right; the first point is the face as it is. Points are macro-F1 over the classes (1:
always right), with 95 % intervals; dashed is the default detector.
# verdicts-unknown: What it says of generators that it does not know
The whole verdict on wholly generated faces of generators that training never saw. Called manipulated is right, under whatever name;
passed is wrong.
# unknown: Does it notice a generator that it does not know?
Scores that tell faces of a generator that training never saw from those of known ones. A cell is the AUROC: 1 always told apart, 0.5 a
coin.
# verdicts-swaps: What it would say of face swaps
Face swaps are out of its scope, and the app does not ask it about them. This is what it would answer.
# islands: Does a pasted face show as an island?
A square of a generated face was pasted into a photograph, and every patch read alone. Filled: patches inside the square that were called
generated; hollow: patches of the photograph that were. The further apart, the clearer the island.
# spread: Is the evidence spread over the picture?
The share of the picture that carries the evidence of a heatmap: near 100 % when it is even all over, near 0 % when one point decides.
Lines go from the tenth to the ninetieth of a hundred faces.
# ablation: What each part of the training is worth
The same training with one part left out, one run each. Dots are the figure with its interval over faces; differences between two runs of
the same kind are not in it.
""")

SPLITS = {
    "test": "new faces, known collections",
    "cross": "collections it never saw",
    "DFDC": "DFDC face swaps",
    "val": "validation faces",
    "test, seen": "new faces, known collections",
    "test, left out": "sources and a method left out of all",
}
LEFT_OUT = {
    "": "Left out",
    "method": "Methods left out",
    "source": "Manipulated faces of sources left out",
    "untouched source": "Untouched faces of sources left out",
}
KEYS = {
    "methods": "attribution",
    "none": "cross-entropy alone",
    "supcon": "supervised contrastive",
    "ntxent": "NT-Xent",
    "cleared": "passed",
}
