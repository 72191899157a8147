"""Every way Telltale can fail, as one tree. Each error is one plain sentence plus what to do next.

A message never holds a path of the server or a traceback: `str(error)`, in English, is safe to show (after escaping) to anyone, and so is
`error.sentence`, which says itself in the reader's language.
"""

from attribution.messages import Message
from attribution.messages import gettext as _

# No sentence of ours, and in no catalogue: two that stand side by side.
_BOTH = Message("{what} {next_step}")


class TelltaleError(Exception):
    """Base of the tree. `what` says what happened, `next_step` what the user can do; both are plain sentences."""

    def __init__(self, what: str, next_step: str = "") -> None:
        self.what, self.next_step = what, next_step
        super().__init__(str(self.sentence))

    @property
    def sentence(self) -> str:
        """What happened and what to do."""
        return _BOTH.format(what=self.what, next_step=self.next_step) if self.next_step else self.what


class MediaError(TelltaleError):
    """The file itself could not be used."""


class MissingMedia(MediaError):
    """There is no such file."""


class EmptyMedia(MediaError):
    """The file holds no bytes."""


class UnsupportedMedia(MediaError):
    """Neither a picture nor a clip of a format that we open, judged by its bytes and not by its name."""


class DamagedMedia(MediaError):
    """Cut off or corrupt: nothing could be decoded."""


class MediaTooLarge(MediaError):
    """More bytes or pixels than the limits allow."""


class NoPictures(MediaError):
    """A clip without a video stream."""


class DecodeTimeout(MediaError):
    """Decoding took longer than its limit, or the decoder died."""


class DetectorError(TelltaleError):
    """A detector could not be used."""


class UnknownDetector(DetectorError):
    """No detector of that name, folder or repository."""


class DamagedDetector(DetectorError):
    """A hash, a key or a shape does not match what the card promises."""


class UnmappedLabels(DetectorError):
    """What the labels of a detector mean cannot be read from their names. `labels` are those names, in the order of its classes, and
    `place` says of several detectors which one it is: 0 for the first, 1 for the one that was asked for beside it, and so on."""

    place = 0

    def __init__(self, what: str, next_step: str = "", labels: tuple[str, ...] = ()) -> None:
        self.labels = labels
        super().__init__(what, next_step)


class UnusableDetector(DetectorError):
    """A format or an architecture that we refuse to load, or one that is not on this machine."""


class NoHeatmap(DetectorError):
    """A detector answers, and no layer of it knows places of a picture."""


# What is wrong with a detector is often for its makers alone: technical, in English, and quoted as it is in every language.
_DAMAGED = _("The files of this detector are damaged or do not fit together (“{problem}”).")
_UNREADABLE = _("Telltale cannot read this detector (“{problem}”).")
AGAIN = _("Get the detector again from its source.")
OTHER_DETECTOR = _("Choose another detector.")
SMALLER_DETECTOR = _("Use a smaller detector.")


def damaged(problem: str) -> DamagedDetector:
    """For files that are not what they promise. `problem` is technical English."""
    return DamagedDetector(_DAMAGED.format(problem=problem), AGAIN)


def unreadable(problem: str, next_step: str = OTHER_DETECTOR) -> UnusableDetector:
    """For what nobody here builds. `problem` is technical English."""
    return UnusableDetector(_UNREADABLE.format(problem=problem), next_step)


class RefusedLimits(DetectorError):
    """Limits that were measured with another detector, preparation or version of Telltale, or a file that is none of such limits."""


class MeasuringError(TelltaleError):
    """A detector could not be measured on these files."""


class NothingToMeasure(MeasuringError):
    """No folder or list of files in a form that is read, or no file in it."""


class OneKindOnly(MeasuringError):
    """Untouched files alone, or manipulated ones alone."""


class TooFewFiles(MeasuringError):
    """Too few files of a kind that could be examined."""


class RepeatedFile(MeasuringError):
    """The same file in two groups, or as untouched and as manipulated."""


class DeviceError(TelltaleError):
    """The asked-for device is not there."""


class EvidenceError(TelltaleError, ValueError):
    """A value that evidence may not hold."""


class LabError(TelltaleError):
    """The training side lacks data or a setting."""


class MissingData(LabError):
    """The face data set was not found."""
