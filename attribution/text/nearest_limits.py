"""The sentences on the measured limits that stand beside a verdict. Each has its figure with a 95 % interval, and below it what that was
measured on."""

from attribution.messages import gettext as _

ACCUSED = _("It calls {share} of untouched faces manipulated.")
PASSED = _("Of the manipulated faces that it misses most ({family}), {share} pass.")
SILENT = _("It gives no definite answer on {share} of faces.")
NAMED = _("Of faces known to be of this family ({family}), the method that it names is right for {share}.")
FAMILY = _("Of faces known to be of this family ({family}), it takes {share} for it.")
NEW_METHOD = _("Of faces by a method that a detector like it never saw ({method}), {share} pass.")
NEW_SOURCE = _("Of manipulated faces from a source that it never saw ({method}), {share} pass.")
OUT_OF_SCOPE = _("It looks for wholly generated faces alone: {share} of face swaps pass.")
CLIP = _("It was measured on single pictures: how often it is wrong about a clip is not known.")
SMALL_ACCUSED = _("Of untouched faces as small as this one ({size}), it calls {share} manipulated.")
SMALL_PASSED = _("Of manipulated faces as small as this one ({size}), {share} pass.")
SMALL_SILENT = _("On faces as small as this one ({size}), it gives no definite answer in {share}.")
FEW_SMALL = _("Too few faces as small as this one ({size}) were measured to say how often it is wrong about them.")
UNDER, BETWEEN = _("under {most} px"), _("{least}–{most} px")
MEASURED_ON = {
    "cross": _("Faces measured, of collections that it never saw: {count}"),
    "test": _("Faces measured, which training did not use: {count}"),
}
UNMEASURED = _("Telltale has not measured {name}: how often such an answer is wrong is not known.")
NOT_AT_HAND = _("How often such an answer is wrong stands in the card of the detector.")
