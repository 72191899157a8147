"""Long work has a pulse: `beat` stands where it may take its time, and whoever runs it `within_pulse` says what a beat does. What that
raises ends the work there, so that nobody computes what nobody waits for. Elsewhere a beat does nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_at_a_beat: ContextVar[Callable[[], None]] = ContextVar("at_a_beat", default=lambda: None)


def beat() -> None:
    """The work goes on, unless whoever waits for it raises something here."""
    _at_a_beat.get()()


@contextmanager
def within_pulse(at_a_beat: Callable[[], None]) -> Iterator[None]:
    """Within it every beat of this thread calls `at_a_beat`."""
    token = _at_a_beat.set(at_a_beat)
    try:
        yield
    finally:
        _at_a_beat.reset(token)


def give_pulse(network: Any) -> None:
    """Each layer of a network (an `nn.Module`) beats once before it computes: a batch may take seconds where others use the machine."""
    for layer in network.modules():
        if _before_layer not in layer._forward_pre_hooks.values():
            layer.register_forward_pre_hook(_before_layer)


def _before_layer(*_: Any) -> None:
    beat()
