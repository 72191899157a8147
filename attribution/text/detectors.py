"""Every sentence of the panel where detectors are chosen. Plain text: whoever shows it escapes it."""

from attribution.messages import gettext as _

LINE = _("Detector")
STARTING = _("starting …")
NONE_READY = _("none is ready")
AND = _("{first}, and beside it {beside}")
CHANGE = _("Change")
CLOSE = _("Close")
TITLE = _("Choose a detector")
HINT = _("What you choose is used for the next file; the result that is shown stays as it is. Nothing is fetched before you click.")
SLOTS = {"first": _("Detector"), "beside": _("Compare with")}
NUMBERED = _("Compare with ({number})")
SLOT_HINTS = {"first": _("It gives the answer on each face."), "beside": _("Heard about the same faces; the answers stand side by side.")}
NO_SECOND = _("No other detector")
ADD = _("Add another detector")
FACTS_FOLD = _("What is known of it")
GROUPS = {
    "own": _("In use since the page was started"), "embedded": _("Comes with Telltale"), "looked": _("Looked up on the Hub"),
    "cached": _("On this machine (Hub cache)"), "known": _("Known public ones, not on this machine"), "other": _("Any other"),
}  # fmt: skip
OTHER = _("Another repository on the Hub …")
LOADING = _("Looking which detectors there are")
# What an entry says of itself
FACTS = {
    "sees": _("Sees"), "labels": _("Labels"), "architecture": _("Architecture"), "licence": _("Licence"), "size": _("Size"),
    "measured": _("Measured by Telltale"), "repository": _("Repository"), "revision": _("Commit"), "files": _("Files"),
}  # fmt: skip
SEES = {"face": _("One face at a time"), "picture": _("The whole picture, not a face")}
SEES_AS_CARD = _("What its card says")
SEES_UNLESS = _("The whole picture, unless it was made for faces")
MEASURED = _("Yes: its probabilities are calibrated, and its limits are known.")
NOT_MEASURED = _("No: its probabilities are not calibrated, and how often it is wrong is not known here.")
NEVER_RUN = _(
    "No: its format was proven here on random weights, and its own weights were never run here. Its probabilities are not calibrated, and \
how often it is wrong is not known here."
)
MEASURED_BY_CARD = _("Its card holds measurements by its makers, made with Telltale.")
MORE_LABELS = _("{labels} and {count} more")
NEVER_MEASURED = (
    _("Telltale has never measured this detector: how often it is wrong is not known here."),
    _("Its probabilities are not calibrated: of the answers that it calls 97 % certain more than 3 % may be wrong."),
)
NOT_STATED = _("Not stated")
CANNOT_BE_USED = _("{detector} cannot be used. {reason}")
GATED = _("Its makers want you to accept their conditions on the Hub first, and a token (HF_TOKEN) of yours where this page runs.")
IS_HERE = _("All of it is on this machine already.")
REFUSED_TITLE = _("Known, but they cannot be used ({count})")
# Looking up
REPOSITORY = _("Repository, and a branch, tag or commit if you like")
EXAMPLE = _("owner/repo or owner/repo@revision")
LOOK = _("Look it up")
ASKS_NOW = _("Asks the Hugging Face Hub, now and only for this repository. Nothing is downloaded yet.")
LOOKING = _("Asking the Hub about {name}")
LOOKED = _("This is what the Hub says. Nothing has been downloaded yet.")
# Doing
USE = _("Use for the next file")
DOWNLOAD = _("Download and use ({size})")
LOOK_FIRST = _("Look it up first: then you see its licence, its commit, its size and its files.")
NAME_FIRST = _("Write which repository you mean, and look it up.")
STRANGE = _("This page does not offer that detector. Open the panel again.")
TWICE = _("{detector} was chosen twice. Choose each detector once.")
BLIND = _("{beside} looks at faces, and {first} at whole pictures: choose {beside} as the first one.")
TOO_MANY_DETECTORS = _("This server keeps at most {most} chosen detectors in memory.")
CHOOSE_FEWER = _("Choose fewer at once.")
CHECKING = _("Downloaded; checking and loading it")
LOADING_IT = _("Loading {name}")
DOWNLOADING = _("{share} of {size} — {doing}")
CANCEL = _("Cancel")
OUR_FAULT = _("Something went wrong on our side. The detector that was in use stays.")
CANCELLED = _("Cancelled. The detector that was in use stays; what has come of the download is kept for the next time.")
ENDED = _("The download was ended by somebody else on this page’s server. Try again.")
READY_ONE = _("{first} is ready on {device}")
READY_SEVERAL = _("{detectors} are ready on {device}")
# What the files of a detector do not say
VIEW = _("What was it made to see?")
VIEWS = {"": _("The whole picture"), "face": _("One face at a time")}
ASK_TITLE = _("What do its labels mean?")
ASK_HINT = _(
    "Neither the files of {name} nor Telltale know. What you say here decides what its answers are called: look at its model card \
first."
)
BOTH_SIDES = _("At least one label has to mean an untouched picture, and one a manipulated one.")
ASK_ALL = _("Say what every label means.")
MEANINGS = {
    "": _("Choose …"), "real": _("Untouched"), "manipulated": _("Manipulated (method not told)"), "face_swap": _("Face swap"),
    "reenactment": _("Reenactment"), "gan": _("Generated by a GAN"), "diffusion": _("Generated by diffusion"),
}  # fmt: skip
MOST_LABELS = 12
TOO_MANY = _(
    "{name} has more labels whose meaning is not told than fit here ({count}). Use the command line, which takes them as --labels \
LABEL=MEANING,LABEL=MEANING."
)


def called(name: str, source: str) -> str:
    """A loaded detector's name with the repository and the commit that it came from: `owner/repo@1a2b3c4`."""
    if not source:
        return name
    repository, _, revision = source.removeprefix("hf:").partition("@")
    place = f"{repository}@{revision[:7]}" if revision else repository
    return place if name == repository else f"{name} ({place})"


def short(name: str) -> str:
    """What a DetectorSpec is called: without `hf:`, and with seven digits of a commit."""
    repository, at, revision = name.removeprefix("hf:").partition("@")
    return f"{repository}{at}{revision[:7] if len(revision) == 40 else revision}"
