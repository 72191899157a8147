"""The model card (README.md of a detector's folder), written from the card alone, so that no figure in it can differ from card.json."""

from __future__ import annotations

import json

from attribution.card import Card, MeasuredTable


def model_card(card: Card) -> str:
    """Markdown with the Hub's YAML front matter."""
    settings = json.loads(card.training.notes[0])
    lines = [
        "---",
        "license: cc-by-nc-4.0",
        "library_name: timm",
        "pipeline_tag: image-classification",
        "tags: [image-classification, deepfake-detection, timm, telltale]",
        "---",
        "",
        f"# {card.name}",
        "",
        f"{card.description} Part of Telltale. It answers which method made or manipulated a face; it never says that a face is authentic.",
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
        *(_dna_det(card, settings) if card.scope == "generated" else _default(card, settings)),
        f"- Calibration: a bias per method (folded into the classifier) and the temperature {card.calibration.temperature},",
        f"  fitted on `val` (`attribution/lab/calibration.py`); ECE on `{card.calibration.measured_on}` "
        f"{card.calibration.ece_before} before, {card.calibration.ece_after} after.",
        "- Thresholds: chosen on `val` only (`attribution/lab/thresholds.py`).",
        *(f"- {note}" for note in card.training.notes[1:]),
        "",
        "## Measured",
        "",
        "On the weights as shipped (8 bits a value), each face read once."
        if card.scope == "generated"
        else "On the weights as shipped (half precision), each face read with its mirror image, as the app reads pictures.",
        "",
    ]
    for table in card.measured:
        lines += [*_markdown(table), ""]
    return "\n".join(lines)


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
    return [
        "| label | name | family | what it is | trained on |",
        "|---|---|---|---|---|",
        *(f"| `{one.name}` | {one.display_name} | {one.family} | {one.description} | {one.source} |" for one in card.labels),
        "",
        "The family `reenactment` has no method here: an expression warp from five landmarks would not deserve the name.",
    ]


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


def _markdown(table: MeasuredTable) -> list[str]:
    rows = ["| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |" for row in table.rows]
    return [f"### {table.title}", "", "| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns), *rows, "", table.note]
