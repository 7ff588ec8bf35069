"""Records in, descriptors out: batches through the network on all own devices."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float32, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Progress
from jaxsim.data.loader import Batch, batches, prefetch_to_device
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject
from jaxsim.ops.normalise import SMALLEST_NORM
from jaxsim.parallel.mesh import (
    batch_sharding,
    make_mesh,
    replicated,
    round_up_to_devices,
)
from jaxsim.parallel.precision import compute_dtype
from jaxsim.pipeline.model import ImageModel

CompiledShapes = set[tuple[str, tuple[int, ...]]]
"""(method, shape of the images): each costs one compilation."""


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """Descriptors of a collection; row = position of the record.

    Attributes:
      vectors: float32 [N, D], of length 1 unless the model compares by distance; zeros
        where there is no image.
      found: bool [N], False for rejected images.
      rejects: the rejected images with their reasons.
    """

    vectors: Float32[np.ndarray, "N D"]
    found: Bool[np.ndarray, " N"]
    rejects: tuple[Reject, ...]


@dataclass
class Waits:
    """How long embedding has waited, in all.

    Attributes:
      loader_s: for images that were still being read and decoded.
      device_s: for descriptors that were still being computed.
      compile_s: for programs of new shapes to be compiled, or fetched from the
        compilation cache, and for the model to be put on the devices before the first.
    """

    loader_s: float = 0.0
    device_s: float = 0.0
    compile_s: float = 0.0


@dataclass
class Embedder:
    """Applies a model to images, batch by batch, sharded over this process's devices.

    Attributes:
      model: what to apply.
      batch_size: images per program run; rounded up to a multiple of the devices.
      num_threads: that decode images; None takes all processors.
      compiled_shapes: met so far; give several embedders one set to count them all.
      waits: for what `embed` and `describe` have waited so far.
    """

    model: ImageModel
    batch_size: int = 16
    num_threads: int | None = None
    compiled_shapes: CompiledShapes = field(default_factory=set)
    waits: Waits = field(default_factory=Waits)
    _programs: dict[str, Callable[..., Any]] = field(default_factory=dict, repr=False)

    def describe(
        self, records: Sequence[Record], on_reject: Callable[[Reject], None]
    ) -> Iterator[tuple[Int64[np.ndarray, " b"], Float32[np.ndarray, "b D"]]]:
        """Yields (ids, descriptors) as they are finished, in no fixed order.

        Args:
          records: images; the position is the id.
          on_reject: called for every image that cannot be used.

        Raises:
          InputError: the network gives NaN, which means damaged weights.
        """
        sums: dict[int, tuple[int, np.ndarray]] = {}
        for batch, output in self.apply("__call__", records, on_reject):
            begun = perf_counter()
            vectors = np.asarray(output)[batch.real]
            self.waits.device_s += perf_counter() - begun
            ids = batch.ids[batch.real]
            _require_finite(vectors, ids, records)
            if len(self.model.scales) == 1:
                yield ids, vectors
            else:
                yield from self._join_scales(sums, ids, vectors)

    def embed(
        self, records: Sequence[Record], progress: Progress | None = None
    ) -> Embedding:
        """Describes a whole collection.

        Args:
          records: images; the position is the row.
          progress: called with the number of images done since the last call.
        """
        vectors = np.zeros((len(records), self.model.dimension), np.float32)
        found = np.zeros(len(records), bool)
        rejects: list[Reject] = []
        report = progress or (lambda count: None)

        def on_reject(reject: Reject) -> None:
            rejects.append(reject)
            report(1)

        for ids, rows in self.describe(records, on_reject):
            vectors[ids] = rows
            found[ids] = True
            report(len(ids))
        return Embedding(vectors=vectors, found=found, rejects=tuple(rejects))

    def apply(
        self,
        method: str,
        records: Sequence[Record],
        on_reject: Callable[[Reject], None],
    ) -> Iterator[tuple[Batch, Any]]:
        """Yields each batch with the output of one of the module's methods.

        The next batch is computed while the caller handles the last.
        """
        program = self._program(method)
        loaded = batches(
            records,
            self.model.preprocessing,
            batch_size=round_up_to_devices(self.batch_size, self._mesh),
            num_threads=self.num_threads,
            sizes_px=self._sizes_px(),
            on_reject=on_reject,
        )
        running = None
        for batch, images, valid in self._waited(prefetch_to_device(loaded, self._put)):
            started = batch, self._start(program, method, images, valid)
            if running is not None:
                yield running
            running = started
        if running is not None:
            yield running

    def _start(self, program: Callable[..., Any], method: str, images, valid) -> Any:
        """Starts a program, and counts how long it takes until it has started."""
        shape, begun = (method, images.shape), perf_counter()
        output = program(self._variables, images, valid)
        if shape in self.compiled_shapes:
            self.waits.device_s += perf_counter() - begun
        else:
            self.compiled_shapes.add(shape)
            self.waits.compile_s += perf_counter() - begun
        return output

    def _waited(self, items: Iterator[Any]) -> Iterator[Any]:
        """Counts how long it takes to get each item."""
        while True:
            begun = perf_counter()
            item = next(items, None)
            self.waits.loader_s += perf_counter() - begun
            if item is None:
                return
            yield item

    def _program(self, method: str):
        """Returns the compiled method, the same at every call."""
        if method not in self._programs:
            sharding = batch_sharding(self._mesh)
            self._programs[method] = jax.jit(
                lambda variables, images, valid: self._module.apply(
                    variables, images, valid, method=method
                ),
                in_shardings=(replicated(self._mesh), sharding, sharding),
            )
        return self._programs[method]

    @cached_property
    def _mesh(self):
        # A process reads what it describes: outputs that lie on the devices of others
        # could not be read.
        return make_mesh(jax.local_devices())

    @cached_property
    def _variables(self):
        return jax.device_put(self.model.variables, replicated(self._mesh))

    @cached_property
    def _module(self):
        backbone = self.model.module.backbone.clone(dtype=compute_dtype())
        return self.model.module.clone(backbone=backbone)

    def _put(self, batch: Batch):
        sharding = batch_sharding(self._mesh)
        images, valid = jax.device_put((batch.images, batch.valid), sharding)
        return batch, images, valid

    def _sizes_px(self) -> list[int]:
        size = self.model.preprocessing.size_px
        return [round(scale * size) for scale in self.model.scales]

    def _join_scales(self, sums, ids, vectors):
        """Yields the images of which all scales have arrived, normalised again."""
        done = []
        for image, vector in zip(ids.tolist(), vectors, strict=True):
            count, total = sums.pop(image, (0, 0))
            if count + 1 < len(self.model.scales):
                sums[image] = count + 1, total + vector
            else:
                done.append((image, total + vector))
        if done:
            totals = np.stack([total for _, total in done])
            norms = np.linalg.norm(totals, axis=1, keepdims=True)
            yield (
                np.array([image for image, _ in done], np.int64),
                (totals / np.maximum(norms, SMALLEST_NORM)).astype(np.float32),
            )


def _require_finite(vectors, ids, records) -> None:
    broken = ~np.isfinite(vectors).all(axis=1)
    if broken.any():
        name = records[int(ids[broken][0])].name
        raise InputError(
            f"the descriptor of '{name}' is NaN or infinite. The model's weights are "
            "damaged, or do not belong to this preprocessing"
        )
