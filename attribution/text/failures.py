"""The wording of the page *Why detectors fail*. What the numbers say is put together in `attribution.measured` from these pieces."""

from attribution.text.limits import catalogue

_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
PAGE = "Why detectors fail"
PATH = "why"
LINK = "Why detectors fail"
LOADING = "The study is being drawn."
CUT_NUMBERS = "The first {shown} of {rows} rows."
UNPACKING = "The numbers are unpacked …"
CHOICE_MISSING = "This was not measured."
GROUPS = {"transfer": "From one source to another", "attention": "What the network looks at", "units": "What its units do"}
SHORT_TITLE = "In short"
_TITLES, READING = catalogue("failures")
TITLES = {key: title for key, title in _TITLES.items() if key != "short"}
RELATIONS = {"trained on": "Trained on", "added": "Added afterwards", "never seen": "Never seen"}
VARIANTS = {"base": "One source", "top": "Second source, top layers", "all": "Second source, all layers", "shipped": "As shipped"}
SHORT_VARIANTS = {"base": "one source", "top": "+ top layers", "all": "+ all layers"}
STATES = {"trained": "Trained", "untrained": "The same network, before training on faces"}
CHOOSE_DETECTOR = "Detector"
CHOOSE_SOURCE = "Trained on"
CHOOSE_VARIANT = "Training"
CHOOSE_SHARE = "How many units count as chosen"
SHARE_OPTION = "the top {share}"
MEAN_OPTION = "mean of all"
SHIPPED = "shipped with this app"
# In short
DONE_TRAINED = "{detectors} detectors were each trained {sources} times to tell manipulated faces from untouched ones, every time on one \
single source of manipulated faces."
DONE_ASKED = "Then each was asked about {tested} sources: the one that it knows, other methods, and the same methods collected by others."
DONE_ADDED = "After that a second source was added in two ways, and each was asked the same questions again."
NOT_ADDED = "Adding a second source was not measured."
KNOWN_FIRST = "Asked about the source that it was trained on, a detector of this study reaches an AUC of {known} on average; asked about \
sources that it never saw, {never}."
FELL_TO_COIN = "The loss of {drop} is shown, and what is left is not shown to be better than a coin (0.5)."
FELL_BELOW_COIN = "The loss of {drop} is shown, and what is left is worse than a coin (0.5)."
FELL_SOMEWHAT = "The loss of {drop} is shown, and yet what is left is better than a coin (0.5): a little carries over."
NOT_FALLEN = "Whether anything is lost on the way is not decided: the difference is {drop}."
ROSE = "Nothing is lost on the way: on sources that it never saw it does better by {rise}."
MEANS_HEAD = "AUC, mean over the trainings"
MEANS_WORDS = "trained on / never seen"
KNOWN_DOT, NEVER_DOT = "the source trained on", "sources never seen"
# Collapse and glance
MOSTLY_COLLAPSES = "Mostly it collapses"
MOSTLY_CARRIES = "Mostly something carries over"
PAIRS = "{verdict}: of {count} pairs of a trained detector and a source that it never saw, {better} are shown to be better than a coin, \
{worse} are worse, and {open} are not decided."
DEEPEST = "The deepest fall is that of {detector}, trained on {source}: an AUC of {known} there, and {fallen} on {tested}."
NO_FALL = "No detector does worse on a source that it never saw than on its own."
CAPTION = "{detector}, trained on {source}: {better} of {count} sources never seen are shown to be better than a coin."
CAPTION_ADDED = "{detector}, trained on {source}, then {variant} on {added}: {better} of {count} sources never seen better than a coin."
CAPTION_SHIPPED = "{detector}, as it is shipped: {better} of {count} sources never seen are shown to be better than a coin."
DROPS = "The loss from the source trained on to sources never seen is shown for {shown} of {count} detectors: least for {least}, {low}, \
and most for {most}, {high}."
ONE_DROP = "The loss from the source trained on to sources never seen is {high} for {most}: it is {shown}."
SHIPPED_SAYS = "For comparison, {parts}."
SHIPPED_PART = "{detector} reaches {known} on sources of its training and {never} on those that it never saw"
NO_SHIPPED = "No detector that is shipped with this app was asked the same questions."
COIN = "not shown to be better than a coin"
TESTED_CORNER = "trained on ↓, asked about →"
# Cost
COST_SAYS = "With a second source in its top layers a detector {top_new} on the new source and {top_old} on the old one; with all layers \
trained again it {all_new} and {all_old}."
COST_NEVER = "On sources that neither training saw it {top} with the top layers and {all} with all layers{verdict}."
CARRIES_FURTHER = ": two sources carry further than one"
CARRIES_NO_FURTHER = ": two sources are not shown to carry further than one"
GAINS, LOSES, UNDECIDED = "gains {one}", "loses {one}", "is not shown to change ({one})"
NOT_MEASURED = "was not measured"
ON = {"new": "On the new source", "old": "On the old source", "never seen": "On sources never seen"}
COST_HEAD, COST_WORDS = "change of the AUC", "top layers / all layers"
OVER_DETECTORS = "mean over the detectors"
TOP_DOT, ALL_DOT = "top layers only", "all layers"
# Attention
PAIRS_OF_MAPS = {
    "base–top": "One source, and top layers",
    "base–all": "One source, and all layers",
    "top–all": "Top layers, and all layers",
    "chance": "Chance: two different faces",
}
ALIKE = "Heatmaps of one face before and after a second source was added have a mean SSIM of {top} with the top layers and of {all} with \
all layers; heatmaps of different faces have {chance}."
ALIKE_MORE = "With all layers the maps are more alike than those of different faces by {gap}, and still {share} of them lie below 0.7: \
what a heatmap shows belongs to the training as well as to the face."
ALIKE_NO_MORE = "With all layers the maps are not shown to be more alike than those of different faces (difference {gap}): the heatmap \
belongs to the training, not to the face."
ALIKE_LESS = "With all layers the maps are even less alike than those of different faces, by {gap}."
ALIKE_UNKNOWN = "Whether that is more than chance was not measured."
SSIM_HEAD, SSIM_WORDS = "share of faces by SSIM", "mean SSIM"
SSIM_KEY = {"doubted": "below 0.7", "open": "0.7 to 0.9", "agrees": "above 0.9"}
AS_IT_IS = "the face"
IS_MANIPULATED, IS_UNTOUCHED = "manipulated", "untouched"
NO_PICTURE = "The example pictures could not be read, so the maps stand alone."
NO_MAPS = "Heatmaps of example faces are not among the results."
# Neurons
UNIVERSAL_SAYS = "When the top {share} of units count as chosen, {trained} of the units of a trained detector are chosen in every source, \
where luck would give {chance}; in {beyond} of {count} trainings that is more than luck (p < 0.05){strict}."
UNTRAINED_FEWER = "Before training on faces it is {untrained}, fewer by {gap}: training makes units universal, but that alone does not \
say that they carry what generalises."
UNTRAINED_AS_MANY = "Before training on faces it is {untrained}, and no difference is shown ({gap}): that a unit is universal is no \
evidence that anything was learned."
UNTRAINED_MORE = "Before training on faces it is {untrained}, more by {gap}: that a unit is universal is no evidence that anything was \
learned."
UNTRAINED_UNKNOWN = "The network before training on faces was not measured, so it is open whether training made them so."
HISTOGRAM_FOOT = "Across: in how many sources a unit is chosen. Upwards: how many units are."
CHANCE_FRAME = "where luck would lie, 95 %"
UNIVERSAL_BAR, OTHER_BAR = "universal", "other units"
BEYOND_STRICT = ", and in {count} more than luck that leaves every unit its weight"
STRICTER_WORDS = "; luck that leaves every unit its weight {chance}, {p}"
COUNT_WORDS = "{universal} of {units} units in every source, luck {chance}, {p}"
P_BELOW, P_IS = "p < {p}", "p = {p}"
# Ablation
KEEP_SAYS = "With only the {share} most universal units the AUC on sources never seen is {auc}: against all units it {whole}, against as \
many units at random it {random}."
REMOVE_SAYS = "Universal units are strong ones to begin with: against as many that are strongest on the source trained on alone it \
{strongest}, and without the universal ones, against leaving out as many at random, it {random}{verdict}."
CARRIES = "; being strong on every source adds something to being strong"
CARRIES_NOT = "; that universal units carry what generalises is not shown"
KEEP_TITLE, REMOVE_TITLE = "Only these units are kept", "These units are removed"
SHARE_KEPT, SHARE_REMOVED = "share of units kept, %", "share of units removed, %"
AUC_NEVER = "AUC, sources never seen"
FIRST_LINE, RANDOM_BAND = "most universal first", "as many at random, with interval"
OTHER_LINES = ("strongest on the source trained on", "universal, chosen without the source asked about")
ALL_UNITS_LINE, COIN_LINE = "all units", "a coin"
CAPTION_CURVE = "{detector} ({source}): the {share} most universal units alone give an AUC of {keep}, as many at random {random}."
# Readout
READOUT_SAYS = "The readout that validation faces choose ({name}) {never} in AUC on faces of origins that the default detector never \
trained on, and {known} on those that it did."
READOUT_HELPS = "So listening to universal units alone helps{rival}."
READOUT_FAILS = "So it is not shown that listening to universal units alone helps{rival}."
READOUT_HARMS = "So listening to universal units alone does harm{rival}."
READOUT_RIVAL = "; against all units with a readout fitted anew, it {gap} where the default never trained"
READOUT_NAMES = (
    ("universal ", "universal units of the top "),
    (", own head", ", its own head"),
    (", refitted", ", a readout fitted anew"),
    ("as it is", "the default as it is"),
)
READOUT_SETS = {
    "never trained": "Origins that the default never trained on",
    "trained on": "Origins that it trained on",
    "all": "All of them",
    "val (choice)": "Validation faces, by which the readout was chosen",
}
READOUT_MORE = "The same on origins that it trained on"
READOUT_HEAD, READOUT_DIFFERENCE = "AUC", "Difference of the AUC from the default as it is"
SHOWN, NOT_SHOWN = "shown", "not shown: the interval holds zero"


def counted(count: int) -> str:
    """A small count as a word."""
    return _SMALL[count] if 0 <= count < len(_SMALL) else f"{count:,}"
