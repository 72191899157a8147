"""A card and a study with every table that the page of measured limits draws, for its tests. The figures are made up; the columns are those
that the lab writes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from attribution.detectors import card as parts

REAL = parts.Label("real", "No manipulation", "real")
LABELS = (REAL, parts.Label("landmark_swap", "Landmark face swap", "face_swap"), parts.Label("stylegan2", "StyleGAN2", "gan"))
GENERATOR_LABELS = (
    REAL,
    parts.Label("stylegan2", "StyleGAN2", "gan", architecture="style-based GAN"),
    parts.Label("sdxl", "SDXL", "diffusion", architecture="latent diffusion"),
)
SWAP_LABELS = (REAL, parts.Label("swapped", "Face swap or pasted part", "face_swap"))
SECOND_COLUMNS = ("source", "faces", "agree", "undecided", "overturned", "wrong answers prevented", "right answers lost")
LOCALISED = ("cases", "by", "faces", "hits", "hits low", "hits high", "IoU", "IoU low", "IoU high")


def table(title: str, columns: tuple[str, ...], *rows: tuple[parts.Cell, ...]) -> parts.MeasuredTable:
    return parts.MeasuredTable(title, columns, rows, f"A note on {title}.")


def tables(written: str) -> tuple[parts.MeasuredTable, ...]:
    """Tables as text: `# title`, or `# title + title` of two that are alike; the columns, and the rows."""
    found = []
    for part in f"\n{written.strip()}".split("\n# ")[1:]:
        titles, *lines = part.split("\n")
        columns, *rows = [[cell.strip() for cell in line.split("|")] for line in lines]
        found += [table(title, tuple(columns), *(tuple(map(_cell, row)) for row in rows)) for title in titles.split(" + ")]
    return tuple(found)


def _cell(words: str) -> parts.Cell:
    if not re.fullmatch(r"-?[0-9.]+", words):
        return words or None
    return int(words) if re.fullmatch(r"-?[0-9]+", words) else float(words)


MEASURED = tables("""
# Overall
split | families, balanced | from | to
test | 0.916 | 0.904 | 0.927
# Verdicts on cross + Verdicts on test
family | source | faces | manipulated | none found | inconclusive | definite | wrong of definite
real | press_sports | 200 | 0.02 | 0.58 | 0.4 | 0.6 | 0.033
real | senate | 100 | 0.0 | 0.7 | 0.3 | 0.7 | 0.0
face_swap | landmark_swap on senate | 100 | 0.3 | 0.1 | 0.6 | 0.4 | 0.25
gan | tpdne_b | 100 | 0.9 | 0.0 | 0.1 | 0.9 | 0.0
 | all untouched | 300 | 0.013 | 0.62 | 0.367 | 0.633 | 0.021
 | all manipulated | 200 | 0.6 | 0.05 | 0.35 | 0.65 | 0.077
# Cross-AUC
faces of|family|faces|AUC within|low|high|Cross-AUC|low|high|pairs|worst untouched|worst manipulated|worst AUC|low|high
cross | gan | 300 | 0.93 | 0.9 | 0.96 | 0.84 | 0.8 | 0.88 | 4 | senate | tpdne_b | 0.7 | 0.64 | 0.76
test | all | 300 | 0.95 | 0.93 | 0.97 | 0.9 | 0.87 | 0.93 | 6 | senate | tpdne_b | 0.8 | 0.75 | 0.85
# Cross-AUC, pairs
faces of | untouched from | manipulated from | faces | AUC | low | high
cross | senate | tpdne_b | 200 | 0.7 | 0.64 | 0.76
# Localisation
cases | by | faces | hits | hits low | hits high | IoU | IoU low | IoU high
partial swaps | heatmap | 400 | 0.36 | 0.31 | 0.41 | 0.15 | 0.13 | 0.17
partial swaps, unseen blend | heatmap | 380 | 0.27 | 0.23 | 0.31 | 0.12 | 0.1 | 0.14
whole swaps | heatmap | 450 | 0.8 | 0.76 | 0.84 | 0.3 | 0.28 | 0.32
partial swaps | crop centre | 400 | 0.38 | 0.33 | 0.43 |  |  |
partial swaps | best constant box | 400 | 0.39 | 0.34 | 0.44 | 0.2 | 0.18 | 0.22
partial swaps, unseen blend | crop centre | 380 | 0.37 | 0.32 | 0.42 |  |  |
whole swaps | crop centre | 450 | 0.87 | 0.84 | 0.9 |  |  |
# Methods, test
true method | faces | real | landmark_swap | stylegan2
real | 300 | 0.95 | 0.03 | 0.02
landmark_swap | 100 | 0.4 | 0.55 | 0.05
stylegan2 | 100 | 0.05 | 0.0 | 0.95
# Reliability, test
calibration | from | to | faces | confidence | right | low | high
before | 0.5 | 0.6 | 100 | 0.55 | 0.35 | 0.26 | 0.45
before | 0.9 | 1.0 | 300 | 0.95 | 0.9 | 0.86 | 0.93
after | 0.5 | 0.6 | 100 | 0.55 | 0.5 | 0.4 | 0.6
after | 0.9 | 1.0 | 300 | 0.95 | 0.95 | 0.92 | 0.97
# Calibration by source, test
family | source | faces | ECE before | ECE after
real | senate | 100 | 0.11 | 0.04
# Risk and coverage, test
coverage | threshold | balanced accuracy | low | high | wrong
1.0 | 0.2 | 0.9 | 0.88 | 0.92 | 0.1
0.6 | 0.7 | 0.96 | 0.94 | 0.98 | 0.03
0.2 | 0.99 |  |  |  | 0.0
# Abstention
tuned on | split | threshold | coverage | balanced accuracy | low | high
val | val | 0.6 | 0.8 | 0.95 | 0.93 | 0.97
val | test | 0.6 | 0.79 | 0.94 | 0.92 | 0.96
# Errors by lightness of the face
split | group | untouched | accused | low | high | manipulated | cleared | low | high | inconclusive
test | darkest quarter | 100 | 0.04 | 0.016 | 0.098 | 100 | 0.05 | 0.022 | 0.112 | 0.4
test | lightest quarter | 100 | 0.02 | 0.006 | 0.07 | 100 | 0.04 | 0.016 | 0.098 | 0.5
# Errors by lightness, within sources
split | figure | sources | faces | difference | low | high
test | accused | 8 | 600 | 0.004 | -0.01 | 0.02
test | cleared | 9 | 600 | 0.03 | 0.01 | 0.05
# Errors by size of the face
split | group | untouched | accused | low | high | manipulated | cleared | low | high | inconclusive
cross | under 90 px | 100 | 0.3 | 0.219 | 0.396 | 100 | 0.05 | 0.022 | 0.112 | 0.4
cross | over 300 px | 100 | 0.01 | 0.002 | 0.054 | 0 |  |  |  | 0.5
test | under 90 px | 3 | 0.0 | 0.0 | 0.562 | 3 | 0.0 | 0.0 | 0.562 | 0.5
test | 90–150 px | 100 | 0.2 | 0.133 | 0.289 | 100 | 0.02 | 0.006 | 0.07 | 0.3
test | over 300 px | 100 | 0.01 | 0.002 | 0.054 | 100 | 0.02 | 0.006 | 0.07 | 0.2
# Shortcuts
cue | faces | balanced accuracy | low | high | chance
resolution, before augmentation | 400 | 0.6 | 0.55 | 0.65 | 0.25
resolution, after augmentation | 400 | 0.27 | 0.22 | 0.32 | 0.25
""")
STUDY = {one.title.partition(": ")[0]: table(one.title.partition(": ")[2], one.columns, *one.rows) for one in tables("""
# matrix: Trained × tested
trained | family | source | left out | faces | AUC | low | high
everything | real | senate | 0 | 100 | 0.97 | 0.95 | 0.99
everything | gan | tpdne_b | 0 | 100 | 0.95 | 0.93 | 0.97
fold 1 | real | senate | 0 | 100 | 0.93 | 0.9 | 0.95
fold 1 | gan | tpdne_b | 1 | 100 | 0.61 | 0.55 | 0.67
# rq1: RQ1
question | backbone | head | loss | seeds | rows | AUC | low | high | EER | balanced accuracy | low | high
RQ1 | mobilenetv2 | binary | none | 3 | cross | 0.84 | 0.82 | 0.86 | 0.2 | 0.8 | 0.78 | 0.82
RQ1 | mobilenetv2 | methods | none | 3 | cross | 0.87 | 0.85 | 0.89 | 0.19 | 0.81 | 0.79 | 0.83
# rq3: RQ3
question | backbone | head | loss | seeds | rows | AUC | low | high | EER | balanced accuracy | low | high
RQ3 | mobilenetv2 | methods | none | 3 | DFDC | 0.94 | 0.92 | 0.96 | 0.1 | 0.9 | 0.88 | 0.92
RQ3 | mobilenetv2 | methods | supcon | 3 | DFDC | 0.95 | 0.93 | 0.97 | 0.1 | 0.9 | 0.88 | 0.92
# differences: Differences
compared | rows | figure | difference | low | high
binary − attribution (3 seeds) | cross | AUC | -0.03 | -0.045 | -0.012
binary − attribution (3 seeds) | DFDC | AUC | 0.004 | -0.01 | 0.017
supervised contrastive − cross-entropy alone (3 seeds) | DFDC | AUC | 0.01 | -0.004 | 0.024
efficientnet_lite0 − mobilenetv2, methods, none (1 seed) | cross | AUC | 0.02 | 0.005 | 0.036
# rq2: RQ2: a seen method in an unseen source
method | source | seen | faces | recall | low | high
stylegan2 | tpdne_a | 1 | 100 | 0.95 | 0.89 | 0.98
stylegan2 | tpdne_b (cross) | 0 | 200 | 0.7 | 0.63 | 0.76
# leave_out: Verdicts on what training never saw
left out | kind | faces | manipulated | none found | inconclusive | coverage | wrong of definite | low | high
stylegan2 | method | 100 | 0.4 | 0.1 | 0.5 | 0.5 | 0.2 | 0.112 | 0.33
dfdc (face swap) | source | 100 | 0.3 | 0.05 | 0.65 | 0.35 | 0.143 | 0.063 | 0.294
dfdc | untouched source | 100 | 0.05 | 0.35 | 0.6 | 0.4 | 0.125 | 0.055 | 0.261
all left out, manipulated | pooled | 200 | 0.35 | 0.075 | 0.575 | 0.425 | 0.176 | 0.11 | 0.271
# open_set: Telling unknown methods from known ones
held out | faces | maximum logit | energy | k-NN distance
landmark_swap | 100 | 0.6 | 0.62 | 0.66
stylegan2 | 100 | 0.8 | 0.82 | 0.9
mean | 200 | 0.7 | 0.72 | 0.78
# tried: What was tried
what was tried | figure | before | after | kept
training longer | DFDC AUC, val | 0.93 | 0.95 | 1
training longer | families, val | 0.91 | 0.93 | yes
noise branch | DFDC AUC, val | 0.95 | 0.94 | 0
half precision | largest change | 0 | 0.19 | no: <it> moves answers
mirror image | DFDC AUC, val | 0.95 | 0.96 | yes, in pictures
""")}  # fmt: skip
GENERATORS = (
    *tables("""
# Overall
split | faces | macro-F1 | from | to | ECE before | ECE after
test | 300 | 0.96 | 0.94 | 0.97 | 0.05 | 0.02
# Verdicts on cross + Verdicts on test
family | source | faces | manipulated | none found | inconclusive | definite | wrong of definite
gan | tpdne_b | 100 | 0.8 | 0.05 | 0.15 | 0.85 | 0.05
# Verdicts on unknown generators, test
family | source | faces | manipulated | none found | inconclusive | definite | wrong of definite
diffusion | sd21 | 100 | 0.61 | 0.2 | 0.19 | 0.81 | 0.05
# Verdicts on face swaps, test
family | source | faces | manipulated | none found | inconclusive | definite | wrong of definite
face_swap | dfdc_swap | 100 | 0.1 | 0.7 | 0.2 | 0.8 | 0.05
# Methods, test + Methods, cross
true method | faces | real | stylegan2 | sdxl
real | 100 | 0.97 | 0.02 | 0.01
stylegan2 | 100 | 0.1 | 0.88 | 0.02
sdxl | 100 | 0.03 | 0.0 | 0.97
# Side by side
rows | faces | DNA-Det | low | high | default | low | high
closed set macro-F1 | 300 | 0.96 | 0.94 | 0.97 | 0.85 | 0.82 | 0.88
cross recall StyleGAN2 | 100 | 0.88 | 0.8 | 0.93 | 0.86 | 0.78 | 0.91
cross recall generated.photos | 100 | 0.92 | 0.85 | 0.96 | 0.7 | 0.6 | 0.78
false alarms cross | 200 | 0.03 | 0.01 | 0.06 | 0.02 | 0.01 | 0.05
test recall sdxl | 100 | 0.97 | 0.92 | 0.99 | 0.95 | 0.89 | 0.98
# Robustness, test
change | value | faces | macro-F1 | low | high | default detector | low | high
JPEG quality |  | 300 | 0.96 | 0.94 | 0.97 | 0.85 | 0.82 | 0.88
JPEG quality | 75 | 300 | 0.9 | 0.87 | 0.93 | 0.84 | 0.81 | 0.87
JPEG quality | 30 | 300 | 0.6 | 0.55 | 0.65 | 0.8 | 0.76 | 0.84
Gaussian blur, sigma in px |  | 300 | 0.96 | 0.94 | 0.97 | 0.85 | 0.82 | 0.88
Gaussian blur, sigma in px | 0.5 | 300 | 0.94 | 0.91 | 0.96 | 0.84 | 0.81 | 0.87
Gaussian blur, sigma in px | 3 | 300 | 0.7 | 0.65 | 0.75 | 0.78 | 0.74 | 0.82
# Unknown generators
held out | faces | k-NN distance | low | high | maximum logit | low | high | energy | low | high
sd21 | 100 | 0.8 | 0.75 | 0.85 | 0.7 | 0.64 | 0.76 | 0.72 | 0.66 | 0.78
sdxl (shorter training) | 100 | 0.9 | 0.87 | 0.93 | 0.85 | 0.8 | 0.9 | 0.86 | 0.81 | 0.91
# Ablation
variant | steps | closed set macro-F1 | low | high | cross recall StyleGAN2 | low | high | false alarms cross | low | high
complete | 1000 | 0.95 | 0.93 | 0.96 | 0.86 | 0.78 | 0.91 | 0.04 | 0.02 | 0.07
without pre-training | 1000 | 0.93 | 0.91 | 0.95 | 0.9 | 0.83 | 0.94 | 0.05 | 0.03 | 0.09
whole pictures | 1000 | 0.8 | 0.77 | 0.83 | 0.7 | 0.6 | 0.78 | 0.12 | 0.08 | 0.17
# Patch islands
split|pasted|pictures|patches inside called generated|low|high|patches outside called generated|low|high|pictures with more inside
test | stylegan2 | 60 | 0.85 | 0.82 | 0.88 | 0.05 | 0.04 | 0.06 | 0.98
cross | stylegan2 | 60 | 0.7 | 0.66 | 0.74 | 0.08 | 0.07 | 0.09 | 0.95
cross | sdxl | 60 | 0.4 | 0.36 | 0.44 | 0.1 | 0.09 | 0.11 | 0.9
# Spread of the evidence, test
class | faces | median share of the picture | 10 % | 90 %
real | 60 | 0.5 | 0.3 | 0.7
stylegan2 | 60 | 0.45 | 0.25 | 0.6
# Eight bits
figure | float32 | 8 bit | points
closed set macro-F1 | 0.961 | 0.96 | -0.1
"""),
    *(one for one in MEASURED if one.title.startswith(("Reliability", "Calibration", "Risk", "Abstention", "Localisation", "Cross-AUC"))),
)
SWAPS = (
    *tables("""
# Overall
split|faces|AUC|low|high|clips AUC|clips low|clips high|plain binary AUC|plain low|plain high|EER|ECE before|ECE after
val | 800 | 0.96 | 0.95 | 0.97 | 0.98 | 0.96 | 0.99 | 0.95 | 0.94 | 0.96 | 0.1 | 0.06 | 0.02
test | 742 | 0.94 | 0.925 | 0.955 | 0.97 | 0.95 | 0.985 | 0.93 | 0.915 | 0.945 | 0.12 | 0.07 | 0.03
# Verdicts on cross + Verdicts on test
family | source | faces | manipulated | none found | inconclusive | definite | wrong of definite
real | press_sports | 200 | 0.025 | 0.6 | 0.375 | 0.625 | 0.04
face_swap | landmark_swap on senate | 100 | 0.35 | 0.1 | 0.55 | 0.45 | 0.222
 | all untouched | 200 | 0.025 | 0.6 | 0.375 | 0.625 | 0.04
 | all manipulated | 100 | 0.35 | 0.1 | 0.55 | 0.45 | 0.222
# Identity probe
detector | features | pictures | persons | accuracy | low | high | chance | commonest
plain binary | 160 pooled | 900 | 60 | 0.34 | 0.31 | 0.37 | 0.017 | 0.03
telltale-mobilenetv2 | 1280 pooled | 900 | 60 | 0.41 | 0.38 | 0.44 | 0.017 | 0.03
telltale-mobilenetv2 | 128 embedding | 900 | 60 | 0.16 | 0.14 | 0.18 | 0.017 | 0.03
telltale-swap | 160 pooled | 900 | 60 | 0.21 | 0.18 | 0.24 | 0.017 | 0.03
plain binary | 32 components of 160 pooled | 900 | 60 | 0.2 | 0.17 | 0.23 | 0.017 | 0.03
telltale-swap | 32 components of 160 pooled | 900 | 60 | 0.18 | 0.15 | 0.21 | 0.017 | 0.03
# Identity probe, differences
pair | difference | low | high
plain binary − telltale-mobilenetv2 | -0.07 | -0.11 | -0.03
plain binary − telltale-swap | 0.13 | 0.09 | 0.17
telltale-mobilenetv2 − telltale-swap | 0.2 | 0.16 | 0.24
plain binary, 32 components − telltale-swap, 32 components | 0.02 | -0.01 | 0.05
# Cross-source AUC
cases | faces | plain binary | low | high | telltale-mobilenetv2 | low | high | telltale-swap | low | high
DFDC test, faces | 742 | 0.97 | 0.96 | 0.98 | 0.96 | 0.95 | 0.97 | 0.94 | 0.925 | 0.955
DFDC test, clips | 110 | 0.96 | 0.94 | 0.98 | 0.98 | 0.96 | 0.99 | 0.97 | 0.95 | 0.985
unseen swaps, senate | 300 | 0.72 | 0.69 | 0.75 | 0.7 | 0.66 | 0.74 | 0.76 | 0.73 | 0.79
unseen partial swaps, senate | 290 | 0.6 | 0.57 | 0.63 | 0.58 | 0.54 | 0.62 | 0.61 | 0.58 | 0.64
landmark_swap, other collections | 587 | 0.8 | 0.77 | 0.83 | 0.85 | 0.82 | 0.88 | 0.81 | 0.78 | 0.84
# AUC differences
cases | faces | difference | low | high
DFDC test, faces | 742 | -0.03 | -0.05 | -0.01
DFDC test, clips | 110 | 0.01 | -0.02 | 0.04
unseen swaps, senate | 300 | 0.04 | 0.02 | 0.06
unseen partial swaps, senate | 290 | 0.01 | -0.01 | 0.03
landmark_swap, other collections | 587 | 0.01 | -0.01 | 0.03
# Localisation
cases | by | faces | hits | hits low | hits high | IoU | IoU low | IoU high
partial swaps | heatmap | 400 | 0.55 | 0.5 | 0.6 | 0.25 | 0.23 | 0.27
partial swaps | boxes | 400 | 0.73 | 0.68 | 0.77 | 0.41 | 0.38 | 0.44
partial swaps, unseen blend | boxes | 380 | 0.4 | 0.35 | 0.45 | 0.22 | 0.2 | 0.24
whole swaps | boxes | 450 | 0.8 | 0.76 | 0.83 | 0.66 | 0.63 | 0.69
partial swaps | crop centre | 400 | 0.38 | 0.33 | 0.43 |  |  |
partial swaps | best constant box | 400 | 0.39 | 0.34 | 0.44 | 0.2 | 0.18 | 0.22
partial swaps, unseen blend | crop centre | 380 | 0.37 | 0.32 | 0.42 |  |  |
whole swaps | crop centre | 450 | 0.87 | 0.84 | 0.9 |  |  |
# Boxes by confidence
confidence from | untouched with a box | low | high | partial swaps with a box | low | high | hits of these | low | high
0.1 | 0.5 | 0.47 | 0.53 | 0.95 | 0.92 | 0.97 | 0.6 | 0.55 | 0.65
0.3 | 0.06 | 0.045 | 0.08 | 0.7 | 0.65 | 0.75 | 0.78 | 0.73 | 0.83
0.9 | 0.0 | 0.0 | 0.01 | 0.0 | 0.0 | 0.01 |  |  |
# Second opinion, test + Second opinion, cross
source | faces | agree | undecided | overturned | wrong answers prevented | right answers lost
press_sports | 120 | 80 | 30 | 10 | 0 | 10
landmark_swap on senate | 60 | 30 | 18 | 12 | 11 | 1
autoencoder_swap on senate | 90 | 45 | 15 | 30 | 29 | 1
all | 270 | 155 | 63 | 52 | 40 | 12
"""),
    *(one for one in MEASURED if one.title.startswith(("Reliability", "Calibration", "Risk", "Abstention", "Cross-AUC"))),
)


def card(*measured: parts.MeasuredTable, limits: tuple[str, ...] = ("It misses some.",), **changes: Any) -> parts.Card:
    """A valid card with these tables (all of MEASURED when none is given)."""
    values: dict[str, Any] = {
        "name": "test-net", "licence": "CC0-1.0", "labels": LABELS, "crop": parts.CropSettings(), "calibration": parts.Calibration(),
        "thresholds": parts.Thresholds(p_manipulated_above=0.8, p_manipulated_below=0.2, method_min_p=0.5, family_min_p=0.5),
        "training": parts.Training(data="none", licence="CC0-1.0"), "probes": (parts.Probe(1, (0.0, 0.0, 0.0)),), "limits": limits,
        "files": dict.fromkeys(("model.safetensors", "config.json", "reference.safetensors"), "ab" * 32), "measured": measured or MEASURED,
    }  # fmt: skip
    return parts.Card(**{**values, **changes})


def generator_card(*measured: parts.MeasuredTable, **changes: Any) -> parts.Card:
    """A card of a detector that knows wholly generated faces alone; with every table, or with those given."""
    values: dict[str, Any] = {"name": "telltale-dna-det", "labels": GENERATOR_LABELS, "scope": "generated"}
    return card(*(measured or GENERATORS), **{"limits": ("It knows wholly generated faces alone.",), **values, **changes})


def swap_card(*measured: parts.MeasuredTable, **changes: Any) -> parts.Card:
    """A card of a detector that knows face swaps and pasted parts alone; with every table, or with those given."""
    values: dict[str, Any] = {"name": "telltale-swap", "labels": SWAP_LABELS, "scope": "face_swap", "artifacts": parts.ArtifactRule(0.35)}
    values["probes"] = (parts.Probe(1, (0.0, 0.0)),)
    return card(*(measured or SWAPS), **{"limits": ("It knows face swaps and pasted parts alone.",), **values, **changes})


def swaps_with(*replaced: parts.MeasuredTable) -> tuple[parts.MeasuredTable, ...]:
    """Every table of a detector of face swaps, some of them replaced by title."""
    new = {one.title: one for one in replaced}
    return tuple(new.get(one.title, one) for one in SWAPS)


def probe_differences(*rows: tuple[parts.Cell, ...]) -> parts.MeasuredTable:
    return table("Identity probe, differences", ("pair", "difference", "low", "high"), *rows)


def auc_differences(*rows: tuple[parts.Cell, ...]) -> parts.MeasuredTable:
    return table("AUC differences", ("cases", "faces", "difference", "low", "high"), *rows)


def study_json(some: dict[str, parts.MeasuredTable] | None = None) -> dict[str, Any]:
    """What the lab writes."""
    plain = {
        key: {"title": one.title, "columns": [*one.columns], "rows": [[*row] for row in one.rows], "note": one.note}
        for key, one in (STUDY if some is None else some).items()
    }
    return {"schema": "telltale-study/1", "tables": plain}


def write_study(path: Path, some: dict[str, parts.MeasuredTable] | None = None) -> Path:
    path.write_text(json.dumps(study_json(some)), encoding="utf-8")
    return path
