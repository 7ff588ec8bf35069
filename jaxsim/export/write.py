"""Writes an exported model, checks it on photos, and keeps it only if it agrees."""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxsim.core.environment import device_name, versions
from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.records import Record
from jaxsim.export.about import (
    PACKAGES,
    about_descriptor,
    about_graph,
    about_program,
    about_similarity,
    write_about,
)
from jaxsim.export.bundle import load_bundle
from jaxsim.export.graph_program import GraphQueries, graph_program
from jaxsim.export.onnx_file import run_onnx, write_onnx
from jaxsim.export.parity import Parity, compare_descriptors, compare_scores
from jaxsim.export.photos import load_photos
from jaxsim.export.program import (
    Program,
    Slot,
    image_inputs,
    image_program,
    similarity_program,
)
from jaxsim.export.report import MODEL_FILES, REPORT_FILE, ExportReport, Format
from jaxsim.export.safetensors_file import (
    naming_of,
    read_variables,
    write_safetensors,
)
from jaxsim.export.stablehlo import (
    readable_until,
    run_stablehlo,
    write_stablehlo,
)
from jaxsim.ops.normalise import SMALLEST_NORM
from jaxsim.pipeline.embed import Embedder
from jaxsim.pipeline.graph_model import GraphModel
from jaxsim.pipeline.model import ImageModel, save_variables
from jaxsim.pipeline.similarity import SimilarityModel
from jaxsim.rerank.similarity import NetworkSimilarity, all_scores

BATCH_SIZE = 4
Model = ImageModel | SimilarityModel | GraphQueries


def export_descriptor(
    model: ImageModel,
    out: Path,
    records: Sequence[Record],
    *,
    format: Format,
    slot: Slot | None = None,
    bars: Bars = no_bars,
) -> ExportReport:
    """Exports a descriptor, from pixels to the final vector.

    Args:
      model: to export.
      out: a new or empty folder.
      records: photos that the file is compared with the model on.
      format: of the file.
      slot: height and width of the arrays that images lie in; see `image_inputs`.
      bars: shows progress.

    Raises:
      InputError: the file computes something else than the model (nothing is then left
        behind), the folder is not empty, no photo can be used, the slot does not fit,
        or this is no CPU.
      MissingExtraError: the format needs a package that is not installed.
    """
    _prepare(out)
    _refuse_proposals(model, format)
    inputs = image_inputs(model, slot)
    program = image_program(model, inputs)
    about = about_descriptor(model, inputs)

    def compare(run: Run) -> Parity:
        ids, arrays = load_photos(records, inputs, program)
        chosen = [records[i] for i in ids]
        with bars("describe", 2 * len(chosen)) as progress:
            embedding = Embedder(model, batch_size=BATCH_SIZE).embed(chosen, progress)
            exported = _in_batches(run, arrays, progress)
        return compare_descriptors(
            embedding.vectors,
            exported,
            [record.name for record in chosen],
            comparison=model.comparison,
        )

    return _export(
        model, lambda m: image_program(m, inputs), about, out, format, compare
    )


def export_similarity(
    model: SimilarityModel,
    out: Path,
    vectors: np.ndarray,
    names: Sequence[str],
    *,
    format: Format,
    bars: Bars = no_bars,
) -> ExportReport:
    """Exports a similarity network, from two descriptors to a score.

    Args:
      model: to export.
      out: a new or empty folder.
      vectors: float32 [N, D], descriptors of photos; all pairs of them are compared.
      names: of the photos.
      format: of the file.
      bars: shows progress.

    Raises:
      InputError: as `export_descriptor`.
      MissingExtraError: the format needs a package that is not installed.
    """
    _prepare(out)
    count = len(vectors)

    def compare(run: Run) -> Parity:
        network = model.network.clone(dtype=np.float32)
        reference = all_scores(
            NetworkSimilarity(network, model.variables), vectors, vectors
        )
        # One query a time: its pairs are one batch.
        with bars("score", count) as progress:
            exported = np.zeros((count, count), np.float32)
            for row, query in enumerate(vectors):
                queries = np.tile(query, (count, 1))
                exported[row] = run({"queries": queries, "images": vectors})
                progress(1)
        return compare_scores(reference, exported, names)

    about = about_similarity(model)
    return _export(model, similarity_program, about, out, format, compare)


def export_graph(
    model: GraphModel,
    out: Path,
    vectors: np.ndarray,
    names: Sequence[str],
    *,
    format: Format,
    bars: Bars = no_bars,
) -> ExportReport:
    """Exports the inductive query of a graph, from a descriptor to a new one.

    Args:
      model: to export.
      out: a new or empty folder.
      vectors: float32 [N, D], descriptors of photos, unit length. They are compared,
        and so are mixtures of neighbours in this list, which are in no index.
      names: of the photos.
      format: of the file; a bundle is what the run has left already.
      bars: shows progress.

    Raises:
      InputError: as `export_descriptor`; or the index is too large for the format.
      MissingExtraError: the format needs a package that is not installed.
    """
    if format == "bundle":
        raise InputError(
            "a graph needs no bundle: the folder RUN/model that its training has left "
            "is what --graph of other commands takes. Copy it, or choose another "
            "--format"
        )
    if model.trained.verified_queries:
        raise InputError(
            "this graph's queries find their neighbours by spatial verification of "
            "photos, which no file holds. Search by jaxsim, or train a graph whose "
            "queries take the nearest"
        )
    _prepare(out)
    queries = GraphQueries.of(model)
    if format != "safetensors":
        queries.require_small(format)
    # Not halfway, where both would be as near and rounding would choose.
    mixed = 2 * vectors + np.roll(vectors, -1, axis=0)
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    asked = np.concatenate([vectors, mixed / np.maximum(lengths, SMALLEST_NORM)])
    shown = [
        *names,
        *(f"{a} + {b}" for a, b in zip(names, [*names[1:], *names[:1]], strict=True)),
    ]

    def compare(run: Run) -> Parity:
        with bars("describe", 2 * len(asked)) as progress:
            reference = model.trained.describe(asked)
            progress(len(asked))
            exported = _in_batches(run, {"queries": asked}, progress)
        return compare_descriptors(reference, exported, shown, comparison="cosine")

    return _export(queries, graph_program, about_graph(queries), out, format, compare)


Run = Callable[[dict[str, np.ndarray]], np.ndarray]


def _prepare(out: Path) -> None:
    if jax.default_backend() != "cpu":
        raise InputError(
            "exports are made and compared on a CPU, where numbers are not rounded; "
            "set JAX_PLATFORMS=cpu. The file runs on other platforms all the same"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not empty; give a new folder as --out")


def _refuse_proposals(model: ImageModel, format: Format) -> None:
    """Raises InputError for a program whose shapes depend on the size of the batch."""
    proposing = getattr(getattr(model.module, "pooling", None), "proposals", None)
    if proposing is not None and format in ("onnx", "stablehlo"):
        raise InputError(
            f"this model proposes regions, which {format} cannot hold for batches of "
            "any size. Use --format bundle or safetensors, or a model without proposals"
        )


def _export(
    model: Model,
    program_of: Callable[[Any], Program],
    about: dict[str, Any],
    out: Path,
    format: Format,
    compare: Callable[[Run], Parity],
) -> ExportReport:
    written = {"exported_as": format, "file": MODEL_FILES[format]}
    about = written | about | about_program(program_of(model))
    with _new_folder(out) as folder:
        run = _write(model, program_of, about, folder, format)
        parity = compare(run)
        parity.require(f"the export {out}")
        report = ExportReport(
            folder=out,
            format=format,
            about=about,
            files={p.name: p.stat().st_size for p in sorted(folder.iterdir())},
            parity=parity,
            device=device_name(),
            versions=versions(PACKAGES),
        )
        with atomic_write(folder / REPORT_FILE) as file:
            file.write(json.dumps(report.to_json(), indent=2).encode() + b"\n")
    return report


def _write(
    model: Model,
    program_of: Callable[[Any], Program],
    about: dict[str, Any],
    folder: Path,
    format: Format,
) -> Run:
    """Writes the files and returns what runs them, as someone else would."""
    path, program = folder / MODEL_FILES[format], program_of(model)
    if format == "onnx":
        write_onnx(program, path)
        write_about(folder, about)
        return run_onnx(path)
    if format == "stablehlo":
        write_stablehlo(program, path)
        write_about(folder, about | {"readable_until": readable_until()})
        return run_stablehlo(path)
    if format == "safetensors":
        about["naming"] = naming_of(model) or "jaxsim"
        write_safetensors(model, path, about=about)
        write_about(folder, about)
        return _of_variables(program, read_variables(path, model))
    assert not isinstance(model, GraphQueries)  # refused before
    save_variables(folder, model.variables)
    write_about(folder, about | {"config": model.config})
    loaded = load_bundle(folder)
    return _of_variables(program_of(loaded), loaded.variables)


def _of_variables(program: Program, variables: dict[str, Any]) -> Run:
    compiled = jax.jit(program.function)

    def run(arrays: dict[str, np.ndarray]) -> np.ndarray:
        return np.asarray(compiled(variables, *arrays.values()))

    return run


def _in_batches(run: Run, arrays: dict[str, np.ndarray], progress) -> np.ndarray:
    """Runs a file on a few photos at a time; the last batch is filled with the first.

    Equal sizes spare the platforms that compile for every size.
    """
    count = len(next(iter(arrays.values())))
    size = min(count, BATCH_SIZE)
    parts = []
    for start in range(0, count, size):
        rows = np.arange(start, start + size) % count
        parts.append(run({name: array[rows] for name, array in arrays.items()}))
        progress(min(size, count - start))
    return np.concatenate(parts)[:count]


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Makes a folder that becomes `out` only if the block succeeds."""
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            temporary.mkdir(parents=True)
        except OSError as error:
            raise InputError(
                f"cannot write {out}: {error.strerror}. Choose another place"
            ) from error
        yield temporary
        temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
