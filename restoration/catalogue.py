"""The shipped models' cards, and which of them does a task.

A task may have several models: a small one that a CPU bears, a larger one for CUDA; the cards say
which is the default where. PyTorch, which takes a second to import, is not needed to know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from restoration.cards import ModelCard, read_card
from restoration.errors import UsageError, WeightsError

WEIGHTS_FOLDER: Final = Path(__file__).parent / "weights"
DEVICES: Final = ("cpu", "cuda")
"""Kinds of device that networks run on."""


def available_models(folder: Path = WEIGHTS_FOLDER) -> tuple[ModelCard, ...]:
    """The cards of all models in `folder`, by task in the order in which steps run.

    Cheap enough to be asked for every photo: files are read again only when they changed.

    Raises:
        WeightsError: a card cannot be read.
    """
    paths = sorted(folder.glob("*.json"))
    states = ((path, path.stat()) for path in paths)
    return _read_cards(tuple((path, state.st_mtime_ns, state.st_size) for path, state in states))


@lru_cache(maxsize=16)
def _read_cards(files: tuple[tuple[Path, int, int], ...]) -> tuple[ModelCard, ...]:
    """Read cards; times and sizes are there to tell a changed file from the cached one."""
    order = {"denoise": 0, "deblur": 1, "colorize": 2}
    cards = [read_card(path) for path, _mtime_ns, _size in files]
    return tuple(sorted(cards, key=lambda card: (order.get(card.task, 9), card.name)))


def card_for(
    task: str, folder: Path = WEIGHTS_FOLDER, *, device: str = "cpu", chosen: Sequence[str] = ()
) -> ModelCard:
    """The card of the model that does `task`.

    Args:
        task: denoise, deblur or colorize.
        folder: where the cards are.
        device: cpu or cuda, for the default where none is chosen.
        chosen: names of chosen models, as `choose_models` gives them.

    Raises:
        WeightsError: there is none.
    """
    cards = [card for card in available_models(folder) if card.task == task]
    if not cards:
        raise WeightsError(f"no model for {task} in {folder}")
    for card in cards:
        if card.name in chosen:
            return card
    for card in cards:
        if device in card.default_for:
            return card
    names = ", ".join(card.name for card in cards)
    raise WeightsError(f"no model for {task} is the default on {device}; choose one of {names}")


def choose_models(wanted: Sequence[str], folder: Path = WEIGHTS_FOLDER) -> tuple[str, ...]:
    """Check choices of models.

    Args:
        wanted: each 'TASK=NAME' or, names being unique, 'NAME' alone.
        folder: where the cards are.

    Returns:
        The names, at most one for a task.

    Raises:
        UsageError: no such model, one for another task, or two for one task.
        WeightsError: a card cannot be read.
    """
    cards = {card.name: card for card in available_models(folder)}
    chosen: dict[str, str] = {}
    for text in wanted:
        task, _, name = text.rpartition("=")
        if name not in cards:
            known = ", ".join(f"{card.name} ({card.task})" for card in cards.values())
            raise UsageError(f"--model: no model is named {name!r}; there are {known}")
        own_task = cards[name].task
        if task and task != own_task:
            raise UsageError(f"--model: {name} is a model for {own_task}, not for {task!r}")
        if chosen.setdefault(own_task, name) != name:
            raise UsageError(f"--model: {chosen[own_task]} and {name} are both for {own_task}")
    return tuple(chosen.values())


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
