"""What examinations give and pages read: frozen values that are checked when they are made, with JSON in and out.

Pixels, landmarks and boxes are in pixels of the original picture (after its orientation was applied), x to the right and y down;
boxes are (x0, y0, x1, y1). Times are presentation times in seconds. Every `p_…` is a probability in [0, 1].
Arrays (pictures, logits, embeddings) live only in memory: the JSON carries numbers and words.
"""

# ruff: noqa: F401
from attribution.evidence.checks import AGREEMENTS, FAMILIES, LABEL_FAMILIES, STATES, UNKNOWN_FAMILY, UNKNOWN_METHOD, VIEWS, Box
from attribution.evidence.document import SCHEMA, Evidence, Unusable, document, document_text, read_document
from attribution.evidence.pixels import Face, Frame, Heatmap, Predictions, Track
from attribution.evidence.types import Artifact, DetectorInfo, Interval, Media, Moment, Opinion, Patches, Placement, TrackEvidence, Verdict
