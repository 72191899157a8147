"""Starts app.py as ZeroGPU would, with the CPU in place of the GPU: the real package `spaces`, with what it makes of CUDA at the start, its
fork, its queues and its pickling. What this cannot show is the networks' way to a real GPU, and what they do there.

Usage: python zero_gpu.py FLAGS OF app.py …, with SPACES_ZERO_GPU and SPACES_ZERO_DEVICE_API_URL in the environment."""

from __future__ import annotations

import importlib
import runpy
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def stand_in() -> None:
    """Take the CPU for the GPU in the forked process. The networks stay in memory, where it has them too, instead of going to a file and
    from there to a GPU."""
    cuda: Any = importlib.import_module("spaces.zero.torch")
    wrappers: Any = importlib.import_module("spaces.zero.wrappers")
    placed: Any = importlib.import_module("spaces.zero.torch.patching").cuda_aliases
    import torch
    from torch.overrides import TorchFunctionMode

    class CpuForCuda(TorchFunctionMode):
        """Whoever asks for CUDA gets the CPU."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*map(here, args), **{name: here(value) for name, value in (kwargs or {}).items()})

    def here(value: Any) -> Any:
        return "cpu" if isinstance(value, str | torch.device) and str(value).startswith("cuda") else value

    def move(callback: Any = None) -> None:
        for placeholder, network in placed.items():
            placeholder.data = network

    for name, instead in (("pack", lambda: 0), ("init", lambda uuid: None), ("move", move)):
        assert hasattr(cuda, name), name
        setattr(cuda, name, instead)

    run: Any = threading.Thread.run

    def run_with_cpu(self: threading.Thread) -> None:
        # Such modes hold for one thread; a GPU is there for all of them.
        if wrappers.forked:
            with CpuForCuda():
                run(self)
        else:
            run(self)

    threading.Thread.run = run_with_cpu  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from attribution.web import zerogpu as gpu

    prepare = gpu.prepare

    def prepare_and_stand_in() -> None:
        prepare()
        stand_in()

    gpu.prepare = prepare_and_stand_in
    sys.argv[0] = str(ROOT / "app.py")
    runpy.run_path(sys.argv[0], run_name="__main__")
