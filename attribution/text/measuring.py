"""What is said of measuring a detector on files of one's own: limits, what was left out, refusals."""

from attribution.messages import gettext as _
from attribution.messages import ngettext, pgettext

# What a detector that was measured here says of itself
MEASURED = _("Measured here on {files} files of yours ({untouched} untouched, {manipulated} manipulated), {date}: AUC {auc}.")
ACCUSES = _(
    "It calls a face manipulated from a probability of {p} on: {wish} of untouched files at most would be accused (95 % sure). Of yours \
{errors} were, and {found} of the manipulated ones were found."
)
CLEARS = _(
    "It finds no manipulation up to a probability of {p}: {wish} of manipulated files at most would pass (95 % sure). Of yours {errors} \
did, and {found} of the untouched ones were cleared."
)
NEVER_ACCUSES = _(
    "It never calls a face manipulated: on your {files} untouched files false alarms could not be held to {wish} (95 % sure)."
)
NEVER_CLEARS = _("It never finds no manipulation: on your {files} manipulated files misses could not be held to {wish} (95 % sure).")
TOO_FEW_FOR_WISH = _("A bound of {wish} takes at least {least} files of each kind, if not one of them is answered wrongly.")
CALIBRATED = _("Its probabilities were calibrated on the same files (temperature {t}; calibration error {before} before, {after} after).")
NOT_CALIBRATED = _("Its probabilities were not calibrated on your files: that takes {least} of each kind.")
ALIKE = _("This holds for files like yours: of the same sources, methods and ways of sharing. Others may differ.")
OWN_CARD = _("The detector’s own card, with thresholds that it does not use here, has these figures:")
NOT_USED = _("The limits that were measured here are not used. {why}")

WORST_GROUP = _("Where thresholds were chosen without the group {group}, {share} of its files were answered wrongly.")

# The tables of the card; their cells are data
AT_THRESHOLDS = pgettext("data", "Measured here: errors at thresholds")
AT_COLUMNS = (
    pgettext("data", "threshold"), pgettext("data", "false alarms"), pgettext("data", "false alarms, at most (95 % sure)"),
    pgettext("data", "misses"), pgettext("data", "misses, at most (95 % sure)"),
)  # fmt: skip
BY_GROUP = pgettext("data", "Measured here: groups")
LEFT_OUT = pgettext("data", "Measured here: each group with thresholds that were chosen without it")
_ANSWERED = (
    pgettext("data", "manipulated"), pgettext("data", "none found"),
    pgettext("data", "wrong"), pgettext("data", "wrong, at most (95 % sure)"),
)  # fmt: skip
_GROUP = (pgettext("data", "group"), pgettext("data", "kind"), pgettext("data", "files"))
GROUP_COLUMNS = (*_GROUP, pgettext("data", "AUC"), *_ANSWERED)
LEFT_OUT_COLUMNS = (*_GROUP, pgettext("data", "manipulated from"), pgettext("data", "none found up to"), *_ANSWERED)
RISK_COVERAGE = pgettext("data", "Measured here: risk and coverage")
RISK_COLUMNS = (pgettext("data", "coverage"), pgettext("data", "threshold"), pgettext("data", "wrong"), _ANSWERED[-1])

TABLES = (AT_THRESHOLDS, BY_GROUP, LEFT_OUT, RISK_COVERAGE)

# What was left out
UNREADABLE = ngettext("{count} file could not be read and was left out.", "{count} files could not be read and were left out.", 1)
NO_FACE = ngettext("No face was found in {count} file; it was left out.", "No face was found in {count} files; they were left out.", 1)
NOT_EXAMINED = ngettext(
    "{count} file shows no face that is large, sharp and bright enough; it was left out.",
    "{count} files show no face that is large, sharp and bright enough; they were left out.",
    1,
)
REPEATED = ngettext(
    "{count} file was there twice in one group and was counted once.",
    "{count} files were there more than once in one group and were counted once.",
    1,
)
LOOSE = ngettext(
    "{count} file lies beside the sub-folders, so nobody knows what it is; it was left out.",
    "{count} files lie beside the sub-folders, so nobody knows what they are; they were left out.",
    1,
)

# Why there is no measurement
NO_FOLDER = _("There is no such folder or list of files.")
NO_FILES = _("There is no file to measure on.")
LAYOUT = _("Give a folder with the sub-folders real and manipulated (or one for each method), or a CSV with the columns path and label.")
ONE_KIND = _("There are only untouched files ({files}): how often manipulated ones pass cannot be measured.")
OTHER_KIND = _("There are only manipulated files ({files}): how often untouched ones are accused cannot be measured.")
ADD_KIND = _("Add at least {least} files of the other kind.")
TOO_FEW = _("There are too few files that can be examined: {untouched} untouched and {manipulated} manipulated ones.")
ADD_FILES = _("Measuring takes at least {least} of each kind.")
TWICE = _("The same file is there as “{first}” and as “{second}”, which are not of one kind and group.")
KEEP_ONE = _("Keep one of them.")
CSV_COLUMNS = _("The list {name} has no columns called path and label.")
CSV_ROW = _("Row {row} of the list {name} has no path or no label.")
CSV_LOOKS = _("Its first row must be path,label or path,label,group; a label is real, manipulated or the name of a method.")
WISH = _("The wished bound on errors must lie between 0.1 % and 50 %.")
WISH_STEP = _("Give it as a share, like 0.05.")

# Why measured limits are refused
OTHER_WEIGHTS = _("They were measured with other weights than those of {detector}.")
OTHER_PREPARATION = _("They were measured with faces prepared otherwise, or labels understood otherwise, than for {detector} here.")
OTHER_CODE = _("They were measured with another version of Telltale’s code ({version}).")
ALTERED = _("This is no file of measured limits, or it was changed after it was written.")
NOT_MEASURED_HERE = _("{detector} was not measured here.")
FORGOTTEN = _("{detector} answers with its own limits again.")
MEASURE_AGAIN = _("Measure the detector again.")
CACHE = _("The folder for measured limits cannot be written.")
CACHE_STEP = _("Set HF_HOME to a folder with space that may be written.")

# On the page
TITLE = _("Measure on files of your own")
HINT = _(
    "The detector that is chosen at the head of the page is measured on files of this machine whose truth you know, and from then on \
answers with these limits. No picture is kept. Only whoever sits at this machine can do so."
)
SOURCE = _("A folder with the sub-folders real and manipulated, or a CSV with the columns path and label")
WISH_LABEL = _("Bound on errors, in per cent")
START = _("Measure")
FILE = _("Measured limits (JSON)")
OWNER_ONLY = _("Only whoever sits at the machine that serves this page can measure.")
BUSY = _("A measurement is under way already.")

# Doing
LISTING = _("Looking through the files")
READING = _("{done} of {count} files")
READING_LEFT = _("{done} of {count} files, {left} left")
DONE = _("Measured")
NOT_DONE = _("Nothing was measured")
STOPPED = _("Stopped. What was read is kept: start again to go on.")
