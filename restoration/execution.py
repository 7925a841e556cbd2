"""Where networks run: one device of this process, shared by all threads that have photos in work.

Who has a tile hands it over and gets a promise. On a processor, tiles are done side by side in
lanes, each of them by one thread or few: a network that is cut up among all cores waits for the
slowest after every layer. On a GPU, tiles of equal shape that are waiting, of whichever photo,
are done together.
"""

from __future__ import annotations

import math
import queue
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from traceback import clear_frames
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restoration.errors import DeviceLost, GuardError
from restoration.resources import DEFAULT_RESOURCES, Resources, available_cores

Network = Callable[[Tensor], Tensor]
Tile = NDArray[np.uint8] | NDArray[np.float32]
"""(h, w, 3): 8-bit samples, or values in [0, 1]."""

Float = NDArray[np.float32]

BATCH_MEGAPIXELS: Final = 8.0
"""10^6 pixels that go through a GPU's network together, to begin with; a larger tile goes alone."""

TILE_PIXELS: Final = 2_250_000
"""Of the largest tiles. A photo of two megapixels is one tile; larger ones lose an eighth."""

_LEAST_TILE_PIXELS: Final = 320**2
_BYTES_PER_PIXEL: Final = 480
"""Of a tile while a network works on it in fp32 (three fifths of it in bf16), as measured."""

_SHARE_OF_MEMORY: Final = 0.5
"""That networks at work may take of the memory that is allowed; photos get the rest."""

_IN_FLIGHT: Final = 2
"""Batches on a GPU: while one is calculated, the other's pixels are copied."""


class Engine(ABC):
    """Runs networks over tiles.

    Attributes:
        ahead: tiles that one photo should have handed over at a time; more would only take memory.
        tile_pixels: the most that a tile may have, by what has not fitted into memory so far.
    """

    ahead: int = 2
    tile_pixels: int = sys.maxsize

    @abstractmethod
    def submit(self, network: Network, tile: Tile) -> Future[Float]:
        """Hand a tile over.

        Args:
            network: maps (N, 3, H, W) in [0, 1] to the same shape; the same object for all tiles
                that may be done together.
            tile: not written to meanwhile.

        Returns:
            The promise of (h, w, 3) float32. It may fail with `GuardError`, where the network
            returned NaN or infinity, and `torch.OutOfMemoryError`, where the tile does not fit.
        """

    @abstractmethod
    def close(self) -> None:
        """End its threads; what was handed over is done first."""


class Lanes(Engine):
    """A processor: tiles are done side by side, each by a share of the cores.

    Args:
        count: tiles in work at once.
        threads: of PyTorch for each.
    """

    def __init__(self, count: int, threads: int) -> None:
        self.ahead = count + 1
        self._executor = ThreadPoolExecutor(
            count, "network", initializer=torch.set_num_threads, initargs=(threads,)
        )

    def submit(self, network: Network, tile: Tile) -> Future[Float]:
        """Hand a tile over; see `Engine.submit`."""
        return self._executor.submit(_alone, network, tile)

    def close(self) -> None:
        """End its threads; what was handed over is done first."""
        self._executor.shutdown()


def _alone(network: Network, tile: Tile) -> Float:
    with torch.inference_mode():
        result = network(_values(torch.from_numpy(tile)[None]))
        _check_finite(result)
        picture: Float = _pictures(result)[0].numpy()
    return picture


@dataclass(frozen=True)
class _Order:
    network: Network
    tile: Tile
    promise: Future[Float]

    @property
    def kind(self) -> tuple[int, tuple[int, ...], str]:
        """Tiles of one kind can be done together."""
        return id(self.network), self.tile.shape, self.tile.dtype.str

    @property
    def megapixels(self) -> float:
        height, width, _ = self.tile.shape
        return float(height * width / 1e6)


class Batcher(Engine):
    """A device that does many tiles together faster than one after the other: a GPU.

    Waiting tiles of equal shape are done together, the one that waits longest with all that can
    go with it, so that few wait long. Two batches are in flight on streams of their own: copies of
    one go on while the other is calculated. Where memory does not suffice, half as many are done
    at once, from then on.

    Args:
        device: a torch device; a processor works as well, for tests.
        megapixels: 10^6 pixels that are done together.
    """

    ahead = 16

    def __init__(self, device: torch.device, megapixels: float = BATCH_MEGAPIXELS) -> None:
        self._device = device
        self._megapixels = megapixels
        self._waiting: deque[_Order] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._computed: queue.Queue[_Computed | None] = queue.Queue(_IN_FLIGHT - 1)
        is_gpu = device.type == "cuda"
        self._streams = [
            torch.cuda.Stream(device) if is_gpu else None  # type: ignore[no-untyped-call]
            for _ in range(_IN_FLIGHT)
        ]
        self._threads = [
            threading.Thread(target=target, name=f"network-{name}", daemon=True)
            for name, target in (("compute", self._compute), ("deliver", self._deliver))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def megapixels(self) -> float:
        """10^6 pixels that are done together; less after the device ran out of memory."""
        return self._megapixels

    def submit(self, network: Network, tile: Tile) -> Future[Float]:
        """Hand a tile over; see `Engine.submit`."""
        order = _Order(network, tile, Future())
        order.promise.set_running_or_notify_cancel()  # from here on it cannot be called off
        with self._changed:
            if self._closed:
                raise RuntimeError("the engine is closed")
            self._waiting.append(order)
            self._changed.notify()
        return order.promise

    def close(self) -> None:
        """End its threads; what was handed over is done first."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        for thread in self._threads:
            thread.join()

    def _compute(self) -> None:
        """Send batches to the device, without waiting for what becomes of them."""
        number = 0
        while orders := self._next_batch():
            stream = self._streams[number % _IN_FLIGHT]
            number += 1
            try:
                self._computed.put(self._computed_on(stream, orders))
            except torch.OutOfMemoryError as error:
                self._try_fewer(orders, error)
            except BaseException as error:  # who waits must hear of whatever it is
                self._give_up(orders, error)
            del orders  # while there is nothing to do, no photo is to be kept by its promises
        self._computed.put(None)

    def _next_batch(self) -> list[_Order]:
        """The order that waits longest with those that can go with it; none at the end."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            first = self._waiting[0]
            room = max(1, int(self._megapixels / first.megapixels))
            chosen: list[_Order] = []
            others: deque[_Order] = deque()
            for order in self._waiting:
                fits = len(chosen) < room and order.kind == first.kind
                (chosen if fits else others).append(order)
            self._waiting = others
            return chosen

    def _computed_on(self, stream: torch.cuda.Stream | None, orders: Sequence[_Order]) -> _Computed:
        tiles = torch.from_numpy(np.stack([order.tile for order in orders]))
        if stream is None:
            with torch.inference_mode():
                result = orders[0].network(_values(tiles.to(self._device)))
            return _Computed(orders, _pictures(result), None)
        with torch.inference_mode(), torch.cuda.stream(stream):
            given = tiles.pin_memory().to(self._device, non_blocking=True)
            pictures = _pictures(orders[0].network(_values(given)))
            # Both directions through pinned memory: any other makes the copy wait for the device.
            host = torch.empty(pictures.shape, dtype=pictures.dtype, pin_memory=True)
            host.copy_(pictures, non_blocking=True)
            # Whoever waits sleeps: the default keeps a core busy that photos are decoded on.
            done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            done.record(stream)
        return _Computed(orders, host, done)

    def _deliver(self) -> None:
        """Keep the promises of batches whose results have arrived."""
        while computed := self._computed.get():
            try:
                if computed.done is not None:
                    computed.done.synchronize()
                for order, picture in zip(computed.orders, computed.pictures, strict=True):
                    _keep(order, picture)
            except BaseException as error:
                self._give_up(computed.orders, error)
            del computed

    def _give_up(self, orders: Sequence[_Order], error: BaseException) -> None:
        if _is_lost(self._device):
            error = DeviceLost(
                f"the GPU does not answer any more ({' '.join(str(error).split())}); see to it, "
                "and run the same command again to go on"
            )
        _fail(orders, error)

    def _try_fewer(self, orders: Sequence[_Order], error: torch.OutOfMemoryError) -> None:
        """Do them again, fewer at once; one alone that does not fit fails."""
        clear_frames(error.__traceback__)  # which hold what the network has calculated so far
        if self._device.type == "cuda":
            with suppress(RuntimeError):  # a broken device says so again to the next batch
                torch.cuda.empty_cache()
        if len(orders) == 1:
            _fail(orders, error)
            return
        self._megapixels = orders[0].megapixels * (len(orders) // 2)
        with self._changed:
            self._waiting.extendleft(reversed(orders))


@dataclass(frozen=True)
class _Computed:
    """A batch on its way back: (N, h, w, 3) float32, complete when `done` has come."""

    orders: Sequence[_Order]
    pictures: Tensor
    done: torch.cuda.Event | None


def _keep(order: _Order, picture: Tensor) -> None:
    try:
        _check_finite(picture)
    except GuardError as error:
        order.promise.set_exception(error.with_traceback(None))  # whose frames hold the promise
    else:
        order.promise.set_result(picture.numpy())


def _fail(orders: Sequence[_Order], error: BaseException) -> None:
    # The error goes to threads that keep it for a while, and its frames hold these promises, and so
    # the error: until the garbage collector came by, all that the network made would stay.
    clear_frames(error.__traceback__)
    for order in orders:
        if not order.promise.done():
            order.promise.set_exception(error)


def _is_lost(device: torch.device) -> bool:
    """Whether a GPU broke down: it then says so whatever it is asked, until the process ends."""
    if device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(device)
    except RuntimeError:
        return True
    return False


_engines: dict[tuple[str, int, float | None], Engine] = {}
_making = threading.Lock()


def engine_for(device: torch.device, resources: Resources = DEFAULT_RESOURCES) -> Engine:
    """The engine of this process for a device, made when first asked for.

    Args:
        device: a torch device.
        resources: how many photos are in work at once, of which a processor makes lanes; and how
            much memory of a GPU may be used.
    """
    lanes = lanes_for(resources) if device.type == "cpu" else 0
    key = str(device), lanes, resources.gpu_memory_gb
    with _making:
        if device.type == "cuda":  # PyTorch's limit, which stays until there is another
            limit_gpu_memory(device, resources.gpu_memory_gb)
        if key not in _engines:
            _engines[key] = _new_engine(device, lanes)
        return _engines[key]


def lanes_for(resources: Resources) -> int:
    """Tiles that a processor works on at once: one for each photo in work, and each core."""
    return min(resources.threads or 1, available_cores())


def tile_pixels(device: torch.device, resources: Resources) -> int:
    """The most pixels that a tile may have, so that all that are in work fit into memory."""
    if device.type != "cpu" or resources.memory_gb is None:
        return TILE_PIXELS
    room = _SHARE_OF_MEMORY * resources.memory_gb * 1e9 / lanes_for(resources)
    return max(_LEAST_TILE_PIXELS, min(TILE_PIXELS, int(room / _BYTES_PER_PIXEL)))


def memory_of_networks_gb(device: torch.device, resources: Resources) -> float:
    """Memory that networks at work take at most, 10^9 bytes; none on a GPU, which has its own."""
    if device.type != "cpu":
        return 0.0
    return lanes_for(resources) * tile_pixels(device, resources) * _BYTES_PER_PIXEL / 1e9


def _new_engine(device: torch.device, lanes: int) -> Engine:
    return Lanes(lanes, available_cores() // lanes) if device.type == "cpu" else Batcher(device)


def limit_gpu_memory(device: torch.device, gigabytes: float | None) -> None:
    """Have PyTorch take no more than so many 10^9 bytes of a GPU in this process; None for all."""
    whole = torch.cuda.get_device_properties(device).total_memory
    share = 1.0 if gigabytes is None else min(1.0, gigabytes * 1e9 / whole)
    # Unlike the first line, this one takes no device without a number, but None.
    torch.cuda.set_per_process_memory_fraction(share, device.index)


def _values(samples: Tensor) -> Tensor:
    """(N, h, w, 3) samples as (N, 3, h, w) float32 in [0, 1], whose memory stays in that order.

    That order is channels-last, in which convolutions are fastest.
    """
    if samples.dtype == torch.uint8:
        samples = samples.to(torch.float32).mul_(1 / 255)
    return samples.permute(0, 3, 1, 2)


def _pictures(values: Tensor) -> Tensor:
    """(N, 3, h, w) as (N, h, w, 3) float32, contiguous."""
    return values.permute(0, 2, 3, 1).to(torch.float32).contiguous()


def _check_finite(values: Tensor) -> None:
    # A sum is finite only if all of it is; what networks return is far from the largest number.
    if not math.isfinite(float(values.sum(dtype=torch.float32))):
        raise GuardError("the network returned NaN or infinity")
