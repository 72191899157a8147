"""The model card (README.md of a detector's folder), written from the card alone, so that no figure in it can differ from card.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from attribution.detectors.card import Card, MeasuredTable

# What a detector answers, by the scope in its card.
_ANSWERS = {
    "any": "It answers which method made or manipulated a face; it never says that a face is authentic.",
    "generated": "It answers which method made or manipulated a face; it never says that a face is authentic.",
    "face_swap": "It answers whether a face was swapped or a part pasted into it, and where; it never says that a face is authentic.",
}
_TAGS = {"face_swap": "image-classification, object-detection, deepfake-detection, timm, telltale"}


def model_card(card: Card) -> str:
    """Markdown with the Hub's YAML front matter."""
    settings = json.loads(card.training.notes[0])
    lines = [
        "---",
        "license: cc-by-nc-4.0",
        "library_name: timm",
        "pipeline_tag: image-classification",
        f"tags: [{_TAGS.get(card.scope, 'image-classification, deepfake-detection, timm, telltale')}]",
        "---",
        "",
        f"# {card.name}",
        "",
        f"{card.description} Part of Telltale. {_ANSWERS[card.scope]}",
        "",
        "**Licence: CC BY-NC 4.0, for research.** The weights were made from collections that allow research only;",
        "none of their pictures are included.",
        "",
        "## What it cannot tell",
        "",
        *(f"- {limit}" for limit in card.limits),
        "",
        "## Methods",
        "",
        *_labels(card),
        "",
        "## How it was made",
        "",
        f"- Data: {card.training.data}",
        f"- sha256 of the data manifest: `{card.training.data_sha256}`",
        f"- Command: `{card.training.command}`",
        *_MADE[card.scope](card, settings),
        f"- Calibration: a bias per method (folded into the classifier) and the temperature {card.calibration.temperature},",
        f"  fitted on `val` (`attribution/lab/calibration.py`); ECE on `{card.calibration.measured_on}` "
        f"{card.calibration.ece_before} before, {card.calibration.ece_after} after.",
        "- Thresholds: chosen on `val` only (`attribution/lab/thresholds.py`).",
        *(f"- {note}" for note in card.training.notes[1:]),
        "",
        "## Measured",
        "",
        _measured_on(card),
        "",
    ]
    for table in card.measured:
        lines += [*_markdown(table), ""]
    return "\n".join(lines)


def _measured_on(card: Card) -> str:
    precision = "8 bits a value" if any(table.title == "Eight bits" for table in card.measured) else "half precision"
    how = "once" if card.scope == "generated" else "with its mirror image, as the app reads pictures"
    return f"On the weights as shipped ({precision}), each face read {how}."


def _labels(card: Card) -> list[str]:
    """The table of labels, with the generators' architectures where the card tells them, and what is not among them."""
    if card.scope == "generated":
        return [
            "| label | name | family | architecture | trained on |",
            "|---|---|---|---|---|",
            *(f"| `{one.name}` | {one.display_name} | {one.family} | {one.architecture or '–'} | {one.source} |" for one in card.labels),
            "",
            "Wholly generated faces only: a face swap or an edit of part of a face is out of its scope, and the app refuses it for them.",
        ]
    rows = [
        "| label | name | family | what it is | trained on |",
        "|---|---|---|---|---|",
        *(f"| `{one.name}` | {one.display_name} | {one.family} | {one.description} | {one.source} |" for one in card.labels),
        "",
    ]
    if card.scope == "face_swap":
        more = (
            "It names no method of swapping, and knows no wholly generated face: beside another detector the app does not ask it about one."
        )
        return [*rows, more]
    return [*rows, "The family `reenactment` has no method here: an expression warp from five landmarks would not deserve the name."]


def _default(card: Card, settings: dict) -> list[str]:
    return [
        f"- Seed {card.training.seeds[0]}; {settings['steps']} steps, {card.training.minutes:.0f} minutes, two CPU cores.",
        f"- Backbone `{settings['architecture']}` (timm, {json.dumps(settings['model_args'])}), from ImageNet weights; cross-entropy over",
        f"  methods plus {settings['contrastive_weight']} × the contrastive loss `{settings['contrastive']}` on a 128-d unit embedding;",
        "  batches balanced by class and source, every swap beside the untouched picture under it; windows at the crops' own scale;",
        "  JPEG, WebP, rescaling, blur, noise and colour changes alike for all classes; AdamW, cosine schedule, averaged weights.",
    ]


def _dna_det(card: Card, settings: dict) -> list[str]:
    return [
        f"- Seed {card.training.seeds[0]}; {settings['steps']} steps of stage 2, {card.training.minutes:.0f} minutes for both stages, two",
        "  CPU cores.",
        "- DNA-Det (Yang et al., AAAI 2022, arXiv 2202.13843): eight convolutions, 5.9 M parameters, from random weights. First the 170",
        "  image transformations of the paper on untouched photographs, then five generator architectures: cross-entropy and supervised",
        "  contrastive loss (temperature 0.07) per patch of 64×64, weighted automatically;",
        f"  {settings['items']} pictures of every class and {settings['patches']} patches of each per step and worker",
        f"  ({settings['workers']} workers);",
        "  Adam, one cosine schedule per step, averaged weights.",
        "- Mended against the released code: cross-entropy on logits, not on a softmax; the learning rate follows a stated schedule per",
        "  step; the validation faces are the same at every look.",
        f"- Different from the paper: whole pictures are read at {settings['side_px']} px, the side of the crops (the paper: 512), which",
        f"  answers six times as fast; {100 * settings['augmented']:.0f} % of stage 2's pictures change in quality and geometry, alike for",
        "  every class; the first convolution starts from the functions of the cosine transform; the embedding is a linear projection of",
        "  the pooled features (128 directions of largest energy), since the training's own projection is thrown away.",
    ]


def _caddm(card: Card, settings: dict) -> list[str]:
    rule = card.artifacts
    kept = f"of at least {rule.min_confidence:g} are kept after non-maximum suppression at IoU {rule.nms_iou:g}" if rule else "are not kept"
    backbone = f"`{settings['architecture'].removeprefix('caddm_')}` ({json.dumps(settings['model_args'])})"
    return [
        f"- Seed {card.training.seeds[0]}; {settings['steps']} steps, {card.training.minutes:.0f} minutes.",
        "- Architecture: the ID-unaware detector of *Implicit Identity Leakage* (Dong et al., CVPR 2023, arXiv 2210.14457) on timm's",
        f"  {backbone}, started from `{settings['start']}`;",
        f"  its stem and first {settings['frozen']} stages were left as they were. A 1×1 convolution narrows its 7×7 map to 160 channels;",
        "  the Artifact Detection Module makes maps of 7×7, 5×5, 3×3 and 1×1 cells of it, two anchors in each, 168 in all; the classifier",
        "  reads the sum of the global feature and the module's last one.",
        "- Training pictures: Multi-scale Facial Swaps (`attribution/lab/caddm/mfs.py`) of pixel-aligned pairs, blended by Poisson or",
        "  alpha, with the boxes of what was changed: the untouched face put into the swap, the swap into the untouched face, the swap as",
        f"  it is, one window of it alone ({_swap_kinds(settings)});",
        "  every batch holds untouched pictures under its swaps, and changes of quality alike for both classes.",
        f"- Loss: cross-entropy + {settings['artifact_weight']:g} × (smooth L1 of the boxes + cross-entropy of anchors and hard negatives,",
        f"  2:1; the paper: 0.1 ×); AdamW at {settings['learning_rate']:g}, cosine schedule, gradients clipped by value, averaged weights.",
        "  Protocol reproduction; hyper-parameters ours.",
        "- Mended against the released code: the centre of a Poisson blend is (x, y), not (y, x); boxes and anchors are both",
        "  (x0, y0, x1, y1), so that a lying window meets a lying anchor; untouched pictures teach the anchors that nothing is there,",
        "  instead of receiving no anchor loss at all; mirror images move pictures, landmarks and boxes alike, where the released flips",
        "  did nothing; and the boxes are not thrown away at inference: they are decoded, freed of their doubles, drawn and reported.",
        "- Different from the paper: a small backbone and a narrow module (the paper: as wide as its backbone), so that the weights stay",
        "  under 10 MB; DFDC pairs and this project's own forgeries instead of FaceForensics++.",
        f"- Boxes: those with a confidence {kept}; one that covers the whole crop is shown only where no smaller one is left.",
    ]


def _swap_kinds(settings: dict) -> str:
    """How often which kind of Multi-scale Facial Swap was drawn, where not as often as in the paper."""
    shares = settings.get("shares")
    if not shares:
        return "40, 20, 20 and 20 % of them, as in the paper"
    return (
        f"{', '.join(f'{100 * share:.0f}' for share in shares[:-1])} and {100 * shares[-1]:.0f} % of them; the paper: 40, 20, 20 and 20 %"
    )


# How a detector was made, by the scope in its card.
_MADE: Mapping[str, Callable[[Card, dict], list[str]]] = {"any": _default, "generated": _dna_det, "face_swap": _caddm}


def _markdown(table: MeasuredTable) -> list[str]:
    rows = ["| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |" for row in table.rows]
    return [f"### {table.title}", "", "| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns), *rows, "", table.note]
