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
        "| label | name | family | what it is | trained on |",
        "|---|---|---|---|---|",
        *(f"| `{one.name}` | {one.display_name} | {one.family} | {one.description} | {one.source} |" for one in card.labels),
        "",
        "The family `reenactment` has no method here: an expression warp from five landmarks would not deserve the name.",
        "",
        "## How it was made",
        "",
        f"- Data: {card.training.data}",
        f"- sha256 of the data manifest: `{card.training.data_sha256}`",
        f"- Command: `{card.training.command}`",
        f"- Seed {card.training.seeds[0]}; {settings['steps']} steps, {card.training.minutes:.0f} minutes, two CPU cores.",
        f"- Backbone `{settings['architecture']}` (timm, {json.dumps(settings['model_args'])}), from ImageNet weights; cross-entropy over",
        f"  methods plus {settings['contrastive_weight']} × the contrastive loss `{settings['contrastive']}` on a 128-d unit embedding;",
        "  batches balanced by class and source, every swap beside the untouched picture under it; windows at the crops' own scale;",
        "  JPEG, WebP, rescaling, blur, noise and colour changes alike for all classes; AdamW, cosine schedule, averaged weights.",
        f"- Calibration: a bias per method (folded into the classifier) and the temperature {card.calibration.temperature},",
        f"  fitted on `val` (`attribution/lab/calibration.py`); ECE on `{card.calibration.measured_on}` "
        f"{card.calibration.ece_before} before, {card.calibration.ece_after} after.",
        "- Thresholds: chosen on `val` only (`attribution/lab/thresholds.py`).",
        *(f"- {note}" for note in card.training.notes[1:]),
        "",
        "## Measured",
        "",
        "On the weights as shipped (half precision), each face read with its mirror image, as the app reads pictures.",
        "",
    ]
    for table in card.measured:
        lines += [*_markdown(table), ""]
    return "\n".join(lines)


def _markdown(table: MeasuredTable) -> list[str]:
    rows = ["| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |" for row in table.rows]
    return [f"### {table.title}", "", "| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns), *rows, "", table.note]
