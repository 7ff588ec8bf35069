"""What re-rankers are compared on: configs of graphs, beside those of images."""

from pathlib import Path

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.progress import no_bars
from jaxsim.data.datasets import labelled
from jaxsim.evaluation.protocols.revisited import Revisited
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.compared_sets import open_sets
from jaxsim.experiment.config_file import load_config
from jaxsim.experiment.evaluate import evaluate, retrieval_config
from jaxsim.experiment.rerank_comparison import chosen_methods, compare
from jaxsim.pipeline.descriptor_file import write_descriptors
from jaxsim.pipeline.embed import Embedding
from tests.configs.layouts import LAYOUTS
from tests.experiment.test_graph_run import descriptor_file

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def opened(what, data, *, descriptors=None):
    return open_sets(
        str(what), data=data, descriptors=descriptors, only=None, bars=no_bars
    )


@pytest.fixture
def published(tmp_path):
    LAYOUTS["jaxsim.data.published"](tmp_path)
    words = f"truth={tmp_path}/graded.json,index=X.npy,queries=Q.npy"
    return f"{CONFIGS}/gss_roxford.py:{words}", tmp_path


def test_published_descriptors_are_compared(published):
    config, root = published
    compared = opened(config, root)
    assert isinstance(compared.protocol, Revisited)
    vectors = np.load(root / "X.npy").T
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = compared.embedding_of(compared.sets[0].database)
    assert found.found.all()
    np.testing.assert_allclose(found.vectors, vectors, atol=1e-6)
    methods = chosen_methods("alpha_qe:2,dfs:3,fsr:3,kreciprocal:2")
    outcome = compare(compared, methods=methods, drawn=False).sets[0]
    assert (outcome.queries, outcome.images) == (1, 5)
    assert all("medium/map" in method.metrics for method in outcome.methods)


def test_a_file_of_published_descriptors_may_name_a_suffix_of_ours(published):
    config, root = published
    np.savez(root / "Q.npz", Q=np.load(root / "Q.npy"))
    compared = opened(config.replace("Q.npy", "Q.npz"), root)
    assert len(compared.sets[0].queries) == 1


def test_a_config_of_a_graph_takes_a_file_as_training_does(tmp_path):
    data = descriptor_file(tmp_path)
    compared = opened(f"{CONFIGS}/gss.py", data)
    assert isinstance(compared.protocol, SameLabel)
    assert [len(part.database) for part in compared.sets] == [40]
    with pytest.raises(InputError, match="have the descriptors already"):
        opened(f"{CONFIGS}/gss.py", data, descriptors=data)


def test_a_config_of_a_graph_is_measured_before_training():
    config = load_config(f"{CONFIGS}/gss.py")
    found = retrieval_config(config)
    assert found.model == config.descriptor
    assert found.data == config.measure.data


def test_a_config_of_a_file_of_descriptors_describes_no_images(tmp_path):
    path = tmp_path / "photos.npz"
    config = f"{CONFIGS}/gss.py:descriptors={path}"
    with pytest.raises(InputError, match="jaxsim rerank compare.*descriptors=FILE"):
        evaluate(load_config(config), tmp_path)
    photos = tmp_path / "photos" / "a"
    photos.mkdir(parents=True)
    for i in range(2):
        (photos / f"{i}.png").write_bytes(b"not looked at")
    records = labelled.load(photos.parent)[0].database
    vectors = np.eye(2, dtype=np.float32)
    given = Embedding(vectors=vectors, found=np.ones(2, bool), rejects=())
    write_descriptors(path, given, records, fingerprint="0" * 32)
    compared = opened(config, photos.parent)
    np.testing.assert_array_equal(compared.embedding_of(records).vectors, vectors)


def test_published_descriptors_have_no_images_to_describe(published):
    config, root = published
    with pytest.raises(InputError, match="jaxsim rerank compare"):
        evaluate(load_config(config), root)
