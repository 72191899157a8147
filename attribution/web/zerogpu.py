"""The optional package `spaces`, used here alone: on ZeroGPU of Hugging Face Spaces a job borrows a GPU for some seconds; elsewhere nothing
of this costs anything. The package runs a job in a forked process, which is kept and knows only what was loaded before; what a job is given
and gives is pickled. Networks are placed on the main thread before the page is launched. Checked against spaces 0.51."""

import importlib
import importlib.util
import math
import os
from collections.abc import Callable
from typing import Any, TypeVar

_Job = TypeVar("_Job", bound=Callable[..., Any])

# The switch that ZeroGPU sets, and the words that the package takes for "on".
_SWITCH, _ON = "SPACES_ZERO_GPU", ("1", "t", "true")

LEAST_SECONDS = 10
MOST_SECONDS = 120
"""All that an anonymous visitor has for a day: asking for more would be refused whatever is left."""

# Measured without a GPU, on two CPU cores, with the three embedded detectors: a clip of 64 frames in which 32 faces are found takes 3.9 s,
# of which 2.2 s go into finding them. The networks' way to the GPU and its first use come before that.
START_SECONDS = 8.0
FRAME_SECONDS = 0.034
FACE_SECONDS = 0.047
MARGIN = 1.5


def on_zero_gpu() -> bool:
    """Whether this process runs on ZeroGPU: the environment says so, and the package is there."""
    return os.environ.get(_SWITCH, "").lower() in _ON and importlib.util.find_spec("spaces") is not None


def prepare() -> None:
    """Let the package stand in for CUDA: on the main thread, before PyTorch is imported. Elsewhere than on ZeroGPU this does nothing."""
    if on_zero_gpu():
        importlib.import_module("spaces")


def on_gpu(seconds: Callable[..., float]) -> Callable[[_Job], _Job]:
    """A decorator for a function or a generator function that uses the GPU. `seconds` gets the arguments of each call and tells how long
    the GPU is asked for; a job that takes longer may be ended. Elsewhere than on ZeroGPU the job itself comes back, untouched."""

    def decorate(job: _Job) -> _Job:
        if not on_zero_gpu():
            return job
        spaces: Any = importlib.import_module("spaces")
        return spaces.GPU(duration=lambda *args, **kwargs: within_bounds(seconds(*args, **kwargs)))(job)

    return decorate


def seconds_to_read(frames: int, faces: int) -> float:
    """How long to ask for to find the faces of that many frames and to read that many faces."""
    return START_SECONDS + MARGIN * (FRAME_SECONDS * frames + FACE_SECONDS * faces)


def within_bounds(seconds: float) -> int:
    """Whole seconds that ZeroGPU may be asked for, whatever was computed."""
    return min(max(math.ceil(seconds) if math.isfinite(seconds) else MOST_SECONDS, LEAST_SECONDS), MOST_SECONDS)
