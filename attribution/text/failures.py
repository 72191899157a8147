"""The wording of the page *Why detectors fail*: every sentence whole, one for each thing that the numbers may say."""

from attribution.messages import gettext as _

PAGE = _("Why detectors fail")
PATH = "why"
LINK = _("Why detectors fail")
LOADING = _("The study is being drawn.")
CUT_NUMBERS = _("The first {shown} of {rows} rows.")
GROUPS = {"transfer": _("From one source to another"), "inside": _("Inside the networks")}
# By key: a question, and how to read its figure.
QUESTIONS = {
    "collapse": (
        _("Where does it collapse?"),
        _("Row: the one source trained on; column: the source asked about; cell: AUC. Outlined: its own source."),
    ),
    "loss": (_("Is that one detector’s fault?"), _("The AUC on the source trained on less that on sources never seen.")),
    "cost": (
        _("What does a second source buy, and what does it cost?"),
        _("Change of the AUC on the same faces. Never seen: sources that neither training used."),
    ),
    "attention": (
        _("Does it still look at the same places?"),
        _("SSIM: how alike two heatmaps are. Chance: two different faces."),
    ),
    "neurons": (
        _("Are there units that know every source?"),
        _("A unit is chosen for a source when moving it moves the answer more than moving half of the others does."),
    ),
    "ablation": (
        _("Do these units carry what generalises?"),
        _("Only these units are kept. Universal units would have to beat the strongest units of one source."),
    ),
    "readout": (
        _("Would the first default detector be better with these units alone?"),
        _("AUC less that of the first default detector, telltale-mobilenetv2, as it is, on the same faces. A hollow dot: no change shown."),
    ),
}
TITLES, READING = ({key: words[at] for key, words in QUESTIONS.items()} for at in (0, 1))

# The first view
SHORT_TITLE = _("In short")
DONE = _(
    "{detectors} detectors were trained on one source of manipulated faces at a time ({sources} sources), and asked about {tested}. \
AUC 1: always told apart; 0.5: a coin. In brackets: the 95 % interval."
)
KNOWN = _("AUC on the source trained on")
NEVER = _("AUC on sources never seen")
BETTER = _("Sources never seen, better than a coin")
DEFAULT = _("The first default detector, sources never seen")
MEAN_OF = _("95 % interval {low}–{high}; mean over detectors, n = {n}.")
BETTER_OF = _("{better} of {count} pairs of a training and a source; {worse} are worse.")
DEFAULT_OF = _(
    "95 % interval {low}–{high}; on sources of its training {known}. It is telltale-mobilenetv2, which telltale-attribution has replaced."
)
CHART_TITLE = _("The source trained on, and sources never seen")
KNOWN_DOT, NEVER_DOT = _("the source trained on"), _("sources never seen")
FELL = {
    1: _("On sources that a detector never saw its AUC falls by {drop}; what is left is better than a coin: a little carries over."),
    0: _("On sources that a detector never saw its AUC falls by {drop}; what is left is not shown to be better than a coin."),
    -1: _("On sources that a detector never saw its AUC falls by {drop}; what is left is worse than a coin."),
}
NOT_FALLEN = _("Whether the AUC falls on sources that a detector never saw is not decided: {drop}.")
ROSE = _("On sources that a detector never saw its AUC rises by {drop}.")
FOLLOWS_TITLE = _("What follows from it")
FOLLOWS = {
    "loss": _("A high figure on a detector’s own faces says little about faces from elsewhere: ask where it was measured."),
    "abstain": _("For a picture of unknown origin, “inconclusive” is often the right answer."),
    "cost": _("A second source helps with that source; it is not shown to help with others."),
    "attention": _("A heatmap shows the training as well as the face."),
    "units": _("No group of units was found that carries what generalises."),
}

# The questions
OF_TRAINING = _("{source}, asked about {tested}: {figure}, n = {n}")
AS_SHIPPED = _("As shipped")
CARRIES_OVER = _("Mostly nowhere: elsewhere the AUC is {never}, and {better} of {count} pairs of a training and a source beat a coin.")
COLLAPSES = _("Mostly everywhere: elsewhere the AUC is {never}; {better} of {count} pairs of a training and a source beat a coin.")
PAIRS = _("Pairs shown to be worse than a coin: {worse}; not decided: {open}.")
DEEPEST = _("The deepest fall: {detector}, trained on {source}, has an AUC of {known} there and of {fallen} on {tested}.")
LOSS = _("The loss is shown for {shown} of {count} detectors: least {low} ({least}), most {high} ({most}).")
SHIPPED = _("{detector}: {known} on sources of its training, {never} on others.")
LOSS_OF = _("loss of AUC")
COST = {
    True: _("The AUC changes by {new} on the new source, {old} on the old, {never} on others: that carries further than one source does."),
    False: _(
        "The AUC changes by {new} on the new source, {old} on the old, {never} on others: not shown to carry further than one source does."
    ),
}
TOP_LAYERS = _("With only the top layers trained again: {new}, {old} and {never}.")
ON = {"new": _("On the new source"), "old": _("On the old source"), "never seen": _("On sources never seen")}
CHANGE = _("change of the AUC")
OVER_DETECTORS = _("Mean over the detectors")
TOP_DOT, ALL_DOT = _("top layers only"), _("all layers")
ALIKE = {
    True: _("Not quite: after a second source SSIM is {all}, by chance {chance}; for {share} of the maps it is below 0.7."),
    False: _("Not shown: after a second source SSIM is {all}, by chance {chance}; the difference is {gap}."),
}
TOP_ALIKE = _("With only the top layers trained again SSIM is {top}.")
CHANCE_DOT = _("two different faces")
SSIM = _("mean SSIM")
UNIVERSAL = {
    True: _("{trained} of the units matter for every source (luck: {chance}); before training {untrained}, fewer."),
    False: _("{trained} of the units matter for every source (luck: {chance}), which proves nothing: before training {untrained}."),
}
BEYOND = _("In {beyond} of {count} trainings that is more than luck (p < 0.05).")
BEYOND_STRICT = _("In {beyond} of {count} it is more than luck that leaves every unit its weight.")
TRAINED_DOT, UNTRAINED_DOT, LUCK_DOT = _("trained"), _("before training on faces"), _("luck")
SHARE_OF_UNITS = _("units that matter for every source")
KEPT = {
    True: _("Yes: the {share} most universal units reach {auc} on sources never seen, {gap} against the strongest of one source."),
    False: _("Not shown: the {share} most universal units reach {auc} on sources never seen, {gap} against the strongest of one source."),
}
AGAINST = _("Against all units: {whole}; against as many at random: {random}. Left out, against leaving out as many at random: {removed}.")
UNIVERSAL_DOT, STRONGEST_DOT, RANDOM_DOT = _("most universal"), _("strongest on one source"), _("as many at random")
AUC_NEVER = _("AUC, sources never seen")
READOUT = {
    1: _("Yes: where the first default detector never trained the AUC changes by {never}, elsewhere by {known}."),
    0: _("Not shown: where the first default detector never trained the AUC changes by {never}, elsewhere by {known}."),
    -1: _("No: where the first default detector never trained the AUC changes by {never}, elsewhere by {known}."),
}
CHOSEN = {
    True: _("Validation faces chose the {share} most universal units, with a readout fitted anew."),
    False: _("Validation faces chose the {share} most universal units, with the readout as it is."),
}
RIVAL = _("Against all units fitted anew the AUC changes by {gap} where the first default detector never trained.")
READOUT_SETS = {"never trained": _("Origins never trained on"), "trained on": _("Origins trained on"), "all": _("All of them")}
SHOWN_DOT, NOT_SHOWN_DOT = _("shown"), _("not shown")
