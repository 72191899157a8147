"""The wording of the page *Why detectors fail*. What the numbers say is put together in `attribution.measured` from these pieces."""

from attribution.messages import gettext as _
from attribution.text.limits import catalogue

_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
PAGE = _("Why detectors fail")
PATH = "why"
LINK = _("Why detectors fail")
LOADING = _("The study is being drawn.")
CUT_NUMBERS = _("The first {shown} of {rows} rows.")
UNPACKING = _("The numbers are unpacked …")
CHOICE_MISSING = _("This was not measured.")
GROUPS = {"transfer": _("From one source to another"), "attention": _("What the network looks at"), "units": _("What its units do")}
SHORT_TITLE = _("In short")
_TITLES, READING = catalogue("failures")
TITLES = {key: title for key, title in _TITLES.items() if key != "short"}
RELATIONS = {"trained on": _("Trained on"), "added": _("Added afterwards"), "never seen": _("Never seen")}
VARIANTS = {
    "base": _("One source"),
    "top": _("Second source, top layers"),
    "all": _("Second source, all layers"),
    "shipped": _("As shipped"),
}
SHORT_VARIANTS = {"base": _("one source"), "top": _("+ top layers"), "all": _("+ all layers")}
STATES = {"trained": _("Trained"), "untrained": _("The same network, before training on faces")}
CHOOSE_DETECTOR = _("Detector")
CHOOSE_SOURCE = _("Trained on")
CHOOSE_VARIANT = _("Training")
CHOOSE_SHARE = _("How many units count as chosen")
SHARE_OPTION = _("the top {share}")
MEAN_OPTION = _("mean of all")
SHIPPED = _("shipped with this app")
# In short
DONE_TRAINED = _(
    "{detectors} detectors were each trained {sources} times to tell manipulated faces from untouched ones, every time on one \
single source of manipulated faces."
)
DONE_ASKED = _(
    "Then each was asked about {tested} sources: the one that it knows, other methods, and the same methods collected by others."
)
DONE_ADDED = _("After that a second source was added in two ways, and each was asked the same questions again.")
NOT_ADDED = _("Adding a second source was not measured.")
KNOWN_FIRST = _(
    "Asked about the source that it was trained on, a detector of this study reaches an AUC of {known} on average; asked about \
sources that it never saw, {never}."
)
FELL_TO_COIN = _("The loss of {drop} is shown, and what is left is not shown to be better than a coin (0.5).")
FELL_BELOW_COIN = _("The loss of {drop} is shown, and what is left is worse than a coin (0.5).")
FELL_SOMEWHAT = _("The loss of {drop} is shown, and yet what is left is better than a coin (0.5): a little carries over.")
NOT_FALLEN = _("Whether anything is lost on the way is not decided: the difference is {drop}.")
ROSE = _("Nothing is lost on the way: on sources that it never saw it does better by {rise}.")
MEANS_HEAD = _("AUC, mean over the trainings")
MEANS_WORDS = _("trained on / never seen")
KNOWN_DOT, NEVER_DOT = _("the source trained on"), _("sources never seen")
# Collapse and glance
MOSTLY_COLLAPSES = _("Mostly it collapses")
MOSTLY_CARRIES = _("Mostly something carries over")
PAIRS = _(
    "{verdict}: of {count} pairs of a trained detector and a source that it never saw, {better} are shown to be better than a coin, \
{worse} are worse, and {open} are not decided."
)
DEEPEST = _("The deepest fall is that of {detector}, trained on {source}: an AUC of {known} there, and {fallen} on {tested}.")
NO_FALL = _("No detector does worse on a source that it never saw than on its own.")
CAPTION = _("{detector}, trained on {source}: {better} of {count} sources never seen are shown to be better than a coin.")
CAPTION_ADDED = _("{detector}, trained on {source}, then {variant} on {added}: {better} of {count} sources never seen better than a coin.")
CAPTION_SHIPPED = _("{detector}, as it is shipped: {better} of {count} sources never seen are shown to be better than a coin.")
DROPS = _(
    "The loss from the source trained on to sources never seen is shown for {shown} of {count} detectors: least for {least}, {low}, \
and most for {most}, {high}."
)
ONE_DROP = _("The loss from the source trained on to sources never seen is {high} for {most}: it is {shown}.")
SHIPPED_SAYS = _("For comparison, {parts}.")
SHIPPED_PART = _("{detector} reaches {known} on sources of its training and {never} on those that it never saw")
NO_SHIPPED = _("No detector that is shipped with this app was asked the same questions.")
COIN = _("not shown to be better than a coin")
TESTED_CORNER = _("trained on ↓, asked about →")
# Cost
COST_SAYS = _(
    "With a second source in its top layers a detector {top_new} on the new source and {top_old} on the old one; with all layers \
trained again it {all_new} and {all_old}."
)
COST_NEVER = _("On sources that neither training saw it {top} with the top layers and {all} with all layers{verdict}.")
CARRIES_FURTHER = _(": two sources carry further than one")
CARRIES_NO_FURTHER = _(": two sources are not shown to carry further than one")
GAINS, LOSES, UNDECIDED = _("gains {one}"), _("loses {one}"), _("is not shown to change ({one})")
NOT_MEASURED = _("was not measured")
ON = {"new": _("On the new source"), "old": _("On the old source"), "never seen": _("On sources never seen")}
COST_HEAD, COST_WORDS = _("change of the AUC"), _("top layers / all layers")
OVER_DETECTORS = _("mean over the detectors")
TOP_DOT, ALL_DOT = _("top layers only"), _("all layers")
# Attention
PAIRS_OF_MAPS = {
    "base–top": _("One source, and top layers"),
    "base–all": _("One source, and all layers"),
    "top–all": _("Top layers, and all layers"),
    "chance": _("Chance: two different faces"),
}
ALIKE = _(
    "Heatmaps of one face before and after a second source was added have a mean SSIM of {top} with the top layers and of {all} with \
all layers; heatmaps of different faces have {chance}."
)
ALIKE_MORE = _(
    "With all layers the maps are more alike than those of different faces by {gap}, and still {share} of them lie below 0.7: \
what a heatmap shows belongs to the training as well as to the face."
)
ALIKE_NO_MORE = _(
    "With all layers the maps are not shown to be more alike than those of different faces (difference {gap}): the heatmap \
belongs to the training, not to the face."
)
ALIKE_LESS = _("With all layers the maps are even less alike than those of different faces, by {gap}.")
ALIKE_UNKNOWN = _("Whether that is more than chance was not measured.")
SSIM_HEAD, SSIM_WORDS = _("share of faces by SSIM"), _("mean SSIM")
SSIM_KEY = {"doubted": _("below 0.7"), "open": _("0.7 to 0.9"), "agrees": _("above 0.9")}
AS_IT_IS = _("the face")
IS_MANIPULATED, IS_UNTOUCHED = _("manipulated"), _("untouched")
NO_PICTURE = _("The example pictures could not be read, so the maps stand alone.")
NO_MAPS = _("Heatmaps of example faces are not among the results.")
# Neurons
UNIVERSAL_SAYS = _(
    "When the top {share} of units count as chosen, {trained} of the units of a trained detector are chosen in every source, \
where luck would give {chance}; in {beyond} of {count} trainings that is more than luck (p < 0.05){strict}."
)
UNTRAINED_FEWER = _(
    "Before training on faces it is {untrained}, fewer by {gap}: training makes units universal, but that alone does not \
say that they carry what generalises."
)
UNTRAINED_AS_MANY = _(
    "Before training on faces it is {untrained}, and no difference is shown ({gap}): that a unit is universal is no \
evidence that anything was learned."
)
UNTRAINED_MORE = _(
    "Before training on faces it is {untrained}, more by {gap}: that a unit is universal is no evidence that anything was \
learned."
)
UNTRAINED_UNKNOWN = _("The network before training on faces was not measured, so it is open whether training made them so.")
HISTOGRAM_FOOT = _("Across: in how many sources a unit is chosen. Upwards: how many units are.")
CHANCE_FRAME = _("where luck would lie, 95 %")
UNIVERSAL_BAR, OTHER_BAR = _("universal"), _("other units")
BEYOND_STRICT = _(", and in {count} more than luck that leaves every unit its weight")
STRICTER_WORDS = _("; luck that leaves every unit its weight {chance}, {p}")
COUNT_WORDS = _("{universal} of {units} units in every source, luck {chance}, {p}")
P_BELOW, P_IS = _("p < {p}"), _("p = {p}")
# Ablation
KEEP_SAYS = _(
    "With only the {share} most universal units the AUC on sources never seen is {auc}: against all units it {whole}, against as \
many units at random it {random}."
)
REMOVE_SAYS = _(
    "Universal units are strong ones to begin with: against as many that are strongest on the source trained on alone it \
{strongest}, and without the universal ones, against leaving out as many at random, it {random}{verdict}."
)
CARRIES = _("; being strong on every source adds something to being strong")
CARRIES_NOT = _("; that universal units carry what generalises is not shown")
KEEP_TITLE, REMOVE_TITLE = _("Only these units are kept"), _("These units are removed")
SHARE_KEPT, SHARE_REMOVED = _("share of units kept, %"), _("share of units removed, %")
AUC_NEVER = _("AUC, sources never seen")
FIRST_LINE, RANDOM_BAND = _("most universal first"), _("as many at random, with interval")
OTHER_LINES = (_("strongest on the source trained on"), _("universal, chosen without the source asked about"))
ALL_UNITS_LINE, COIN_LINE = _("all units"), _("a coin")
CAPTION_CURVE = _("{detector} ({source}): the {share} most universal units alone give an AUC of {keep}, as many at random {random}.")
# Readout
READOUT_SAYS = _(
    "The readout that validation faces choose ({name}) {never} in AUC on faces of origins that the default detector never \
trained on, and {known} on those that it did."
)
READOUT_HELPS = _("So listening to universal units alone helps{rival}.")
READOUT_FAILS = _("So it is not shown that listening to universal units alone helps{rival}.")
READOUT_HARMS = _("So listening to universal units alone does harm{rival}.")
READOUT_RIVAL = _("; against all units with a readout fitted anew, it {gap} where the default never trained")
READOUT_NAMES = (
    (_("universal "), _("universal units of the top ")),
    (_(", own head"), _(", its own head")),
    (_(", refitted"), _(", a readout fitted anew")),
    (_("as it is"), _("the default as it is")),
)
READOUT_SETS = {
    "never trained": _("Origins that the default never trained on"),
    "trained on": _("Origins that it trained on"),
    "all": _("All of them"),
    "val (choice)": _("Validation faces, by which the readout was chosen"),
}
READOUT_MORE = _("The same on origins that it trained on")
READOUT_HEAD, READOUT_DIFFERENCE = _("AUC"), _("Difference of the AUC from the default as it is")
SHOWN, NOT_SHOWN = _("shown"), _("not shown: the interval holds zero")


def counted(count: int) -> str:
    """A small count as a word."""
    return _SMALL[count] if 0 <= count < len(_SMALL) else f"{count:,}"
