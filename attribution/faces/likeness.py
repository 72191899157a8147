"""Whether a crop has the outlines of a face: a second opinion on what the face finder found, by other means than its own.

Its networks are deceived by patterns in which spots lie as eyes and a mouth do. A linear classifier of histograms of oriented gradients
(Dalal and Triggs 2005, Histograms of Oriented Gradients for Human Detection) was taught to tell such regions from faces; `lab face-check`
made its weights."""

import math
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import load_file

from attribution.evidence.pixels import LEAST_P_FACE

WEIGHTS = Path(__file__).with_name("likeness.safetensors")
SIDE_PX = 64


def outlines(crop: np.ndarray) -> np.ndarray:
    """The histograms of an RGB crop, S×S×3 uint8 → 1764 float32: cells of 8 px, 9 orientations, blocks of 2×2 cells normalised."""
    luma = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    cell = SIDE_PX // 8
    return np.asarray(cv2.HOGDescriptor((SIDE_PX, SIDE_PX), (2 * cell, 2 * cell), (cell, cell), (cell, cell), 9).compute(luma)).ravel()


def likeness(crop: np.ndarray) -> float:
    """How surely a crop is a face by its outlines, in 0..1: LEAST_P_FACE at the limit, which 0.1 % of validation faces, most of them made
    worse, do not reach."""
    weights, bias = _weights()
    log_odds = float(outlines(crop) @ weights + bias) + math.log(LEAST_P_FACE / (1 - LEAST_P_FACE))
    return 1 / (1 + math.exp(-log_odds))


@cache
def _weights() -> tuple[np.ndarray, float]:
    found = load_file(WEIGHTS)
    return found["weights"], float(found["bias"][0])
