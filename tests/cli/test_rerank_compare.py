"""Re-rankers compared through the command line: tables, pages and bad input."""

import json

import numpy as np
import pytest

from jaxsim.data.records import Record
from jaxsim.pipeline.descriptor_file import write_descriptors
from jaxsim.pipeline.embed import Embedding
from tests.cli.conftest import FAST

RNG = np.random.default_rng(0)


@pytest.fixture
def described(tmp_path):
    """Five labels of eight images, most of them near their label's centre."""
    centres = np.repeat(RNG.standard_normal((5, 16)), 8, axis=0)
    vectors = centres + 0.8 * RNG.standard_normal((40, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    path = tmp_path / "descriptors.npz"
    records = [
        Record(name=f"{i}.jpg", content=tmp_path / f"{i}.jpg", label=f"label{i // 8}")
        for i in range(40)
    ]
    embedding = Embedding(
        vectors=vectors.astype(np.float32), found=np.ones(40, bool), rejects=()
    )
    write_descriptors(path, embedding, records, fingerprint="0" * 32)
    return path


def test_all_methods_in_one_table_and_on_a_page(described, tmp_path, jaxsim):
    result, page = tmp_path / "result.json", tmp_path / "page.html"
    scores = np.kron(np.eye(5), np.ones((8, 8)))
    np.save(tmp_path / "right.npy", scores)
    words = ("rerank", "compare", described, "--json", result, "--html", page)
    words += ("--scores", f"right={tmp_path / 'right.npy'}")
    code, output, errors = jaxsim(*words)
    assert code == 0, errors
    found = json.loads(result.read_text())
    names = ["cosine", "qe", "alpha_qe", "dba+qe", "dfs", "offline", "fsr", "hybrid"]
    for name in [*names, "kreciprocal", "right"]:
        assert name in output
        assert 0 < found["metrics"][f"file/{name}/map"] <= 1
        assert found["timings"][f"file/{name}/ms_per_query"] > 0
        assert name in page.read_text()
    assert found["metrics"]["file/right/map"] == 1
    assert found["timings"]["file/dfs/memory_bytes"] > 0
    assert found["timings"]["file/cosine/memory_bytes"] == 0
    assert found["settings"]["methods"]["dba+qe"] == "dba:20,qe:10"
    html = page.read_text()
    assert html.count("<svg") > 5 and "t-SNE" in html and "label3" in html


def test_an_index_is_compared(photos, tmp_path, jaxsim):
    index = tmp_path / "photos.index"
    code, _, errors = jaxsim("index", photos, "--out", index, *FAST)
    assert code == 0, errors
    words = ("rerank", "compare", index, "--methods", "dfs:3, dba:1 + qe:1")
    code, output, errors = jaxsim(*words, "--json", "-")
    assert code == 0, errors
    metrics = json.loads(output)["metrics"]
    assert {name.split("/")[1] for name in metrics} == {
        "cosine",
        "dfs:3",
        "dba:1+qe:1",
    }


@pytest.mark.parametrize(
    "words, message",
    [
        (["--methods", "diffusion"], "there is no such stage; there are dba, qe"),
        (["--methods", "dfs:0"], "expected dfs:K"),
        (["--labels", "label9", "--methods", "qe"], "no image has this label"),
        (["--only", "test"], "there is no such set; there are file"),
        (["--scores", "mine=nowhere.npy", "--methods", "qe"], "cannot read the scores"),
        (["--scores", "cosine=nowhere.npy"], "there is a method of this name"),
        (["--data", "."], "Leave them away"),
    ],
)
def test_what_cannot_be_compared(described, tmp_path, words, message, jaxsim):
    words = [*words, "--html", tmp_path / "page.html"]
    code, _, errors = jaxsim("rerank", "compare", described, *words)
    assert code == 2 and message in errors and "Traceback" not in errors


def test_what_is_neither_config_nor_index(tmp_path, jaxsim):
    code, _, errors = jaxsim("rerank", "compare", tmp_path / "nothing")
    assert code == 2 and "is no index and no file of descriptors" in errors
