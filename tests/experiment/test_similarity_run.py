"""Runs of learned similarity: stages in a chain, resuming, use, and bad input."""

import dataclasses
import logging
from contextlib import nullcontext
from pathlib import Path

import fiddle as fdl
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.progress import no_bars
from jaxsim.data.records import Record
from jaxsim.experiment.config_file import load_config
from jaxsim.experiment.similarities import open_similarity
from jaxsim.experiment.similarity_stages import train_stages
from jaxsim.experiment.train import train
from jaxsim.pipeline.descriptor_file import read_descriptors, write_descriptors
from jaxsim.pipeline.embed import Embedding
from jaxsim.training.log import read_rows

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "deepsim.py"
FINGERPRINT = "0123456789abcdef" * 2
D, LABELS, OF_EACH = 8, 6, 15


def descriptor_file(folder: Path, *, suffix=".npz", labels=LABELS, scale=1.0) -> Path:
    """Writes clusters of unit vectors, a label each."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((LABELS, 1, D))
    vectors = centres + 0.8 * random.standard_normal((LABELS, OF_EACH, D))
    vectors = vectors.reshape(-1, D)
    vectors *= scale / np.linalg.norm(vectors, axis=1, keepdims=True)
    records = [
        Record(name=f"{i}.jpg", content=Path("absent"), label=f"label {i % labels}")
        for i in np.arange(LABELS * OF_EACH).reshape(LABELS, OF_EACH).T.ravel()
    ]
    order = np.arange(LABELS * OF_EACH).reshape(LABELS, OF_EACH).T.ravel()
    if labels == LABELS:
        records = [
            dataclasses.replace(r, label=f"label {i // OF_EACH}")
            for r, i in zip(records, order.tolist(), strict=True)
        ]
    found = np.ones(len(vectors), bool)
    embedding = Embedding(
        vectors=vectors[order].astype(np.float32), found=found, rejects=()
    )
    path = folder / f"photos{suffix}"
    write_descriptors(path, embedding, records, fingerprint=FINGERPRINT)
    return path


def small(options="", **fields) -> fdl.Config:
    config = load_config(
        f"{CONFIG}:dim={D},widths=(16,8),pairs=16,steps=(20,20,20){options}"
    )
    for stage in ("deepcosine", "deepsim", "deepsimh"):
        if hasattr(config, stage):
            getattr(config, stage).every.checkpoint = 10
    if hasattr(config, "deepsimh"):
        config.deepsimh.mining.candidates = 100
        config.deepsimh.mining.refresh = 10
    for name, value in fields.items():
        setattr(config, name, value)
    return config


def run_stages(config, root, out):
    return train_stages(
        config, root, out, watch=lambda folder: nullcontext([]), bars=no_bars
    )


def parameters(model):
    flat = {}
    for layer, values in model.variables["params"].items():
        flat |= {(layer, name): np.asarray(v) for name, v in values.items()}
    return flat


def assert_same(first, second):
    first, second = parameters(first), parameters(second)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A finished chain, and the file it was trained on."""
    folder = tmp_path_factory.mktemp("chain")
    root = descriptor_file(folder)
    return folder, root, run_stages(small(), root, folder / "run")


def test_stages_do_not_go_on_with_other_descriptors(tmp_path):
    data, config = descriptor_file(tmp_path), small()
    run_stages(config, data, tmp_path / "run")
    with np.load(data) as stored:
        others = dict(stored)
    others["vectors"] = others["vectors"][::-1]
    np.savez(data, **others)
    with pytest.raises(InputError, match="the descriptors of the run in .* changed"):
        run_stages(config, data, tmp_path / "run")


def test_each_stage_goes_on_from_the_one_before(chain):
    folder, root, results = chain
    assert list(results) == ["deepcosine", "deepsim", "deepsimh"]
    for result in results.values():
        assert result.steps == 20 and result.images == 72
        assert result.before is not None and result.after is not None
        assert 0 < result.after.metrics["held_out/map"] <= 1
        assert result.pair_scores is not None
        assert result.pair_scores["held_out"].matching.sum() == 400
    # The second stage alone, started from the first, is the same training.
    alone = small(f",stage=deepsim,start={folder / 'run' / 'deepcosine'}")
    alone.every.checkpoint = 10
    assert_same(train(alone, root, folder / "alone").model, results["deepsim"].model)


def test_before_is_the_cosine_for_every_stage(chain):
    _, root, results = chain
    file = read_descriptors(root)
    held = slice(4, None, 5)
    vectors, labels = file.vectors[held], np.array(file.labels[held])
    precisions = []
    for query in range(len(vectors)):
        scores = vectors @ vectors[query]
        order = [i for i in np.argsort(-scores, kind="stable") if i != query]
        right = labels[order] == labels[query]
        ranks = np.flatnonzero(right)
        precisions.append(np.mean((1 + np.arange(len(ranks))) / (ranks + 1)))
    for result in results.values():
        assert result.before.metrics["held_out/map"] == pytest.approx(
            np.mean(precisions), rel=1e-5
        )


def test_a_finished_chain_trains_nothing_again(chain):
    folder, root, results = chain
    again = run_stages(small(), root, folder / "run")
    for name, result in again.items():
        assert result.resumed_from == 20
        assert result.after.metrics == results[name].after.metrics


def test_an_interrupted_stage_goes_on_to_the_same_bits(chain, tmp_path):
    """The third stage is stopped between two searches for difficult pairs."""
    folder, root, results = chain
    config = small()

    class Stop(Exception):
        pass

    def stopping(row):
        if row["step"] == 17 and "deepsimh" in watched[-1].name:
            raise Stop

    watched = []

    def watch(out):
        watched.append(out)
        return nullcontext([stopping])

    with pytest.raises(Stop):
        train_stages(config, root, tmp_path / "run", watch=watch, bars=no_bars)
    found = run_stages(config, root, tmp_path / "run")
    assert found["deepsimh"].resumed_from == 10
    assert_same(found["deepsimh"].model, results["deepsimh"].model)


def test_the_similarity_of_a_chain_is_that_of_its_last_stage(chain):
    folder, _, results = chain
    for place in ("run", "run/deepsimh", "run/deepsimh/model"):
        found = open_similarity(folder / place)
        assert_same(found, results["deepsimh"].model)
        assert found.network.widths == (16, 8)
    assert found.described_by == FINGERPRINT
    found.check_described_by(FINGERPRINT)
    with pytest.raises(InputError, match="descriptors of another model"):
        found.check_described_by("f" * 32)
    with pytest.raises(InputError, match="no similarity in"):
        open_similarity(folder)


def test_parquet_files_are_read_too(tmp_path):
    first = read_descriptors(descriptor_file(tmp_path))
    second = read_descriptors(descriptor_file(tmp_path, suffix=".parquet"))
    np.testing.assert_array_equal(first.vectors, second.vectors)
    assert (first.names, first.labels) == (second.names, second.labels)
    assert second.fingerprint == FINGERPRINT


def test_descriptors_of_another_dimension_are_refused(tmp_path):
    root = descriptor_file(tmp_path)
    config = small(",stage=deepsim")
    config.network.dim = 9
    with pytest.raises(InputError, match="8 dimensions, and network.dim is 9"):
        train(config, root, tmp_path / "run")


def test_descriptors_that_are_not_unit_vectors_are_refused(tmp_path):
    root = descriptor_file(tmp_path, scale=1.5)
    with pytest.raises(InputError, match="not of length 1, such as that of '0.jpg', 1"):
        train(small(",stage=deepsim"), root, tmp_path / "run")


def test_labels_with_one_image_are_refused(tmp_path):
    root = descriptor_file(tmp_path, labels=LABELS * OF_EACH)
    with pytest.raises(InputError, match="none of the 72 labels has two images"):
        train(small(",stage=deepsim"), root, tmp_path / "run")


def test_a_delta_that_is_not_above_0_is_refused(tmp_path):
    root = descriptor_file(tmp_path)
    for delta in (0.0, -0.2):
        config = small(",stage=deepsim", delta=delta)
        with pytest.raises(InputError, match="not a number above 0"):
            train(config, root, tmp_path / "run")


def test_an_empty_hard_set_is_said_and_training_goes_on(tmp_path, caplog):
    """Images that match are opposite, so that any score is better than the cosine."""
    vectors = np.random.default_rng(0).standard_normal((20, D)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    records = [
        Record(name=f"{i}", content=Path("absent"), label=f"label {i % 20}")
        for i in range(40)
    ]
    embedding = Embedding(
        vectors=np.concatenate([vectors, -vectors]),
        found=np.ones(40, bool),
        rejects=(),
    )
    root = tmp_path / "opposite.npz"
    write_descriptors(root, embedding, records, fingerprint=FINGERPRINT)
    config = small(",stage=deepsimh")
    # The one candidate is a pair that matches.
    config.mining.candidates, config.mining.refresh = 1, 10
    with caplog.at_level(logging.WARNING):
        result = train(config, root, tmp_path / "run")
    assert result.steps == 20
    assert "step 0: none of 1 pairs" in caplog.text
    assert "step 10: none of 1 pairs" in caplog.text
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    assert sum("loss" in row for row in rows) == 20


def test_mining_among_synthetic_pairs_is_refused(tmp_path):
    config = small(",stage=deepsimh", delta=None)
    with pytest.raises(InputError, match="of which none is difficult"):
        train(config, descriptor_file(tmp_path), tmp_path / "run")


def test_a_start_of_another_size_is_refused(chain, tmp_path):
    folder, root, _ = chain
    config = small(f",stage=deepsim,start={folder / 'run'}")
    config.network.widths = (16, 9)
    with pytest.raises(InputError, match=r"widths=\(16, 8\), and the config"):
        train(config, root, tmp_path / "run")


def test_a_start_of_another_symmetry_is_refused(chain, tmp_path):
    """Its parameters have the same shapes, and would mean something else."""
    folder, root, _ = chain
    config = small(f",stage=deepsim,start={folder / 'run'}")
    config.network.symmetric = not config.network.symmetric
    with pytest.raises(InputError, match="symmetric=True, and the config"):
        train(config, root, tmp_path / "run")


def test_files_that_are_no_descriptors(tmp_path):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK broken")
    with pytest.raises(InputError, match="cannot read the descriptors"):
        read_descriptors(broken)
    with pytest.raises(InputError, match="cannot read the descriptors"):
        read_descriptors(tmp_path / "absent.npz")
    np.savez(tmp_path / "other.npz", vectors=np.eye(2))
    with pytest.raises(InputError, match="cannot read the descriptors"):
        read_descriptors(tmp_path / "other.npz")
