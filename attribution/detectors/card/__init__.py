"""The card of a detector (`card.json`), typed: what its labels mean, how to crop and calibrate, when to abstain, what was measured.

`Card.from_json` accepts a card whole or refuses it with DamagedDetector (UnusableDetector when it is of another schema): no field is
guessed, and none is ignored.
"""

from attribution.detectors.card.parts import (
    RESAMPLINGS,
    ArtifactRule,
    Calibration,
    Cell,
    CropSettings,
    Label,
    MeasuredTable,
    Probe,
    Thresholds,
    Training,
)
from attribution.detectors.card.whole import (
    CARD_FILE,
    CONFIG_FILE,
    MODEL_FILE,
    README_FILE,
    REFERENCE_FILE,
    SCHEMA,
    VERIFIED_FILES,
    Card,
    probe_crop,
)

__all__ = [
    "CARD_FILE",
    "CONFIG_FILE",
    "MODEL_FILE",
    "README_FILE",
    "REFERENCE_FILE",
    "RESAMPLINGS",
    "SCHEMA",
    "VERIFIED_FILES",
    "ArtifactRule",
    "Calibration",
    "Card",
    "Cell",
    "CropSettings",
    "Label",
    "MeasuredTable",
    "Probe",
    "Thresholds",
    "Training",
    "probe_crop",
]
