"""What a detector says of manipulations that it was trained without: the figure the product lives by."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from attribution.lab import metrics
from attribution.lab.data import find_data
from attribution.lab.evaluate import judge_samples, verdict_table
from attribution.lab.pools import FORGED
from attribution.lab.publish import crop_sides, info_of, print_table, read_splits
from attribution.lab.thresholds import choose
from attribution.reference import MOST_REFERENCES, ReferenceBank, kth_distances


def measure_unseen(run: Path, data_flag: str | None, work: Path, out: Path) -> None:
    """Judge val, test and cross faces of what the run's `leave_out` names, with calibration, thresholds and references chosen on the
    methods that it did see; write the table as JSON. All three splits are unseen by such a run where the left-out is concerned."""
    data = find_data(data_flag)
    settings = json.loads((run / "settings.json").read_text())
    left_out = set(settings["leave_out"])
    _, samples, found = read_splits(run, data, work, MOST_REFERENCES)
    info = info_of("unseen")
    index = {label: place for place, label in enumerate(info.labels)}

    def is_seen(methods: np.ndarray, sources: np.ndarray) -> np.ndarray:
        return ~(np.isin(methods, list(left_out)) | np.isin(sources, list(left_out)))

    val = found["val"].take(is_seen(found["val"].methods, found["val"].sources))
    own = val.take(~np.isin(val.methods, FORGED))
    temperature = metrics.fit_temperature(own.logits, np.array([index[method] for method in own.methods]))
    references = found["train"]
    distances = np.sort(kth_distances(val.embeddings, references.embeddings))
    bank = ReferenceBank(
        references.embeddings, np.zeros((len(references.methods), 2), np.float32), tuple(references.methods.tolist()),
        tuple(references.sources.tolist()), distances,
    )  # fmt: skip
    thresholds = choose(val, info, temperature)
    rows = []
    for split in ("test", "val"):
        judged = judge_samples(samples[split], found[split], crop_sides(samples[split], data, split), temperature, thresholds, info, bank)
        mask = ~is_seen(found[split].methods, found[split].sources)
        unseen = found[split].take(mask)
        table = verdict_table(f"unseen, {split}", unseen, [one for one, take in zip(judged, mask, strict=True) if take])
        print_table(table)
        rows += [row for row in table.rows if row[0] and split == "test"]
    cross = judge_samples(
        samples["cross"], found["cross"], crop_sides(samples["cross"], data, "cross"), temperature, thresholds, info, bank
    )
    cross_table = verdict_table("cross", found["cross"], cross)
    print_table(cross_table)
    rows += [row for row in cross_table.rows if row[0] == "real"]
    note = f"A run of {settings['steps']} steps trained without {', '.join(sorted(left_out))}; test faces, and untouched faces of cross."
    title = "Verdicts on what training never saw"
    out.write_text(json.dumps({"title": title, "columns": cross_table.columns, "rows": rows, "note": note}, indent=1), encoding="utf-8")
    print(json.dumps(asdict(thresholds)))
