"""Runs on a graph: what is kept, resuming, use, and bad input."""

from dataclasses import replace
from pathlib import Path

import fiddle as fdl
import jax
import numpy as np
import pytest

from jaxsim.checkpoint.manager import Checkpoints
from jaxsim.cli.train import _start, write_run_page
from jaxsim.core.errors import IndexFormatError, InputError
from jaxsim.core.progress import no_bars
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.config_file import load_config
from jaxsim.experiment.construct import construct
from jaxsim.experiment.evaluate import judge
from jaxsim.experiment.exporting import export_model
from jaxsim.experiment.graph_run import GraphRun
from jaxsim.experiment.graphs import open_graph
from jaxsim.experiment.reranking import build_stages
from jaxsim.experiment.slowest_epoch import descent
from jaxsim.experiment.stage_names import asked_stages
from jaxsim.experiment.train import train
from jaxsim.ops.neighbours import self_neighbours
from jaxsim.ops.percentile import similarity_percentile
from jaxsim.pipeline.descriptor_file import read_descriptors, write_descriptors
from jaxsim.pipeline.embed import Embedding
from jaxsim.training.log import read_rows

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "gss.py"
FINGERPRINT = "0123456789abcdef" * 2
D, LABELS, OF_EACH = 8, 5, 8


def descriptor_file(folder: Path) -> Path:
    """Writes clusters of unit vectors, a label each."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((LABELS, 1, D))
    vectors = centres + 0.7 * random.standard_normal((LABELS, OF_EACH, D))
    vectors = vectors.reshape(-1, D)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    count = len(vectors)
    records = [
        Record(name=f"{i}.jpg", content=Path("absent"), label=f"{i // OF_EACH}")
        for i in range(count)
    ]
    embedding = Embedding(
        vectors=vectors.astype(np.float32), found=np.ones(count, bool), rejects=()
    )
    path = folder / "photos.npz"
    write_descriptors(path, embedding, records, fingerprint=FINGERPRINT)
    return path


def small(**fields) -> fdl.Config:
    config = load_config(f"{CONFIG}:dim={D},k=4,kq=3,epochs=6,rate=0.01")
    config.every.evaluate = 2
    for name, value in fields.items():
        setattr(config, name, value)
    return config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    data = descriptor_file(folder)
    return data, folder / "run", train(small(), data, folder / "run")


def test_the_loss_falls_and_epochs_are_measured(run):
    _, out, result = run
    rows = [row for row in read_rows(out / "metrics.jsonl") if "eval/loss" in row]
    assert [row["step"] for row in rows] == [2, 4, 6]
    losses = [row["eval/loss"] for row in rows]
    assert losses == sorted(losses, reverse=True)
    assert result.others is not None and result.after is not None
    assert set(result.others) == {"untrained", "last epoch"}
    assert result.others["last epoch"]["all/map"] == rows[-1]["eval/all/map"]
    kept = next(row for row in rows if row["step"] == result.kept_step)
    assert result.after.metrics["all/map"] == pytest.approx(kept["eval/all/map"])


def test_the_epoch_of_the_slowest_fall_is_kept(run, tmp_path):
    data, _, _ = run
    options = {"steps": 16, "learning_rate": 0.03}
    out = tmp_path / "slowest"
    kept = train(small(**options), data, out).kept_step
    first = GraphRun(small(**options), data, tmp_path, no_bars)._first_loss
    rows = [row for row in read_rows(out / "metrics.jsonl") if "eval/loss" in row]
    losses = [(0, first), *((row["step"], row["eval/loss"]) for row in rows)]
    slopes = {
        losses[last][0]: descent(losses[: last + 1]) for last in range(1, len(losses))
    }
    # Neither the first, nor the last, nor that of the lowest loss.
    assert kept == max(slopes, key=lambda step: slopes[step])
    assert 2 < kept < 16 and losses[-1][1] < losses[kept // 2][1]
    last = train(small(keep="last", **options), data, tmp_path / "last")
    assert last.kept_step == last.steps == 16


def test_the_graph_is_the_union_of_all_lists(run, tmp_path):
    data, _, _ = run
    vectors = read_descriptors(data).vectors
    found = GraphRun(small(), data, tmp_path, no_bars).graph
    expected = {}
    for i, vector in enumerate(vectors):
        others = [j for j in range(len(vectors)) if j != i]
        # k = 4 counts the image itself.
        for j in sorted(others, key=lambda j: -float(vector @ vectors[j]))[:3]:
            expected[i, j] = expected[j, i] = float(vector @ vectors[j])
    pairs = list(zip(found.rows.tolist(), found.columns.tolist(), strict=True))
    assert len(expected) > 3 * len(vectors)
    assert set(pairs) == set(expected)
    weights = [expected[pair] for pair in pairs]
    np.testing.assert_allclose(found.weights, weights, atol=1e-6)


def test_more_neighbours_than_images(run, tmp_path):
    data, _, _ = run
    count = LABELS * OF_EACH
    GraphRun(small(neighbours=count), data, tmp_path, no_bars).graph  # noqa: B018
    with pytest.raises(InputError, match=f"k={count + 1}, .* k of {count} at the most"):
        GraphRun(small(neighbours=count + 1), data, tmp_path, no_bars).graph  # noqa: B018
    GraphRun(small(query_neighbours=count), data, tmp_path, no_bars).graph  # noqa: B018
    for both in (True, False):
        more = {"query_neighbours": count + 1} | ({"neighbours": 99} if both else {})
        names = ("k=99 and ", "k and ") if both else ("", "")
        message = f"^{names[0]}kq={count + 1}, .* {names[1]}kq of {count} at the most"
        with pytest.raises(InputError, match=message):
            GraphRun(small(**more), data, tmp_path, no_bars).graph  # noqa: B018


def test_the_curves_start_from_the_untrained_network(run):
    _, out, result = run
    page = write_run_page(out, result, title="run").read_text()
    assert "Step 0: the network before training; given is in the table below." in page
    assert _start(result) == ("the network before training", result.others["untrained"])
    assert result.others["untrained"] != result.before.metrics


def test_numbers_are_called_as_their_options(run):
    _, _, result = run
    assert result.options == {"k": "4", "kq": "3", "epochs": "6"}
    with pytest.raises(InputError, match="k=1, kq=3 and epochs=6"):
        construct(small(neighbours=1))


def test_alpha_scales_the_loss(run, tmp_path):
    data, _, _ = run
    once, twice = (
        GraphRun(small(alpha=alpha), data, tmp_path, no_bars)._first_loss
        for alpha in (1.0, 2.5)
    )
    assert once < 0 and twice == pytest.approx(2.5 * once)


def test_images_without_a_descriptor_are_counted(run, tmp_path):
    data, _, result = run
    assert result.after.data["rejected"] == "0"
    graph = GraphRun(small(), data, tmp_path, no_bars)
    lost = Record(name="lost.jpg", content=Path("absent"), label="0")
    training = [*graph.images.training, lost]
    sets = [RetrievalSet(name="all", database=training)]
    graph.images = replace(
        graph.images,
        training=training,
        sets=sets,
        file=None,
        given=graph.images.descriptors,
    )
    about = graph._result(None).data
    assert (about["images"], about["rejected"]) == ("40", "1")


def test_an_evaluation_searches_for_nothing_again(run, tmp_path, monkeypatch):
    data, _, result = run

    def never(*_):
        raise AssertionError("the index is searched for its own images")

    graph = GraphRun(small(), data, tmp_path, no_bars)
    parameters = result.model.trained.variables["params"]
    models = [graph._with(parameters) for _ in range(2)]
    monkeypatch.setattr("jaxsim.rerank.graph.nearest_neighbours", never)
    assert models[0].adjacency is models[1].adjacency
    after = graph._result(graph._stored(models[0]))
    assert after.metrics == pytest.approx(result.after.metrics)


def test_a_stored_graph_describes_as_before(run):
    _, out, result = run
    stored = open_graph(out)
    assert stored.described_by == FINGERPRINT
    np.testing.assert_allclose(
        stored.trained.described, result.model.trained.described, atol=1e-6
    )
    stored.check_described_by(FINGERPRINT)
    with pytest.raises(InputError, match="another model"):
        stored.check_described_by("0" * 32)


def test_a_finished_run_tells_the_same_again(run):
    data, out, result = run
    again = train(small(), data, out)
    assert again.resumed_from == again.steps == 6
    assert again.kept_step == result.kept_step
    assert again.others == result.others
    assert again.after.metrics == result.after.metrics


def test_a_run_that_was_cut_short_ends_with_the_same_bits(run, tmp_path):
    data, _, _ = run
    whole = train(small(keep="last"), data, tmp_path / "whole")

    class Cut(Exception):
        pass

    def cut(row):
        if row.get("step") == 5 and "loss" in row:
            raise Cut

    with pytest.raises(Cut):
        train(small(keep="last"), data, tmp_path / "cut", listeners=[cut])
    with Checkpoints(tmp_path / "cut" / "checkpoints") as checkpoints:
        layout = checkpoints._about(4)["layout"]
    # The graph is made of the index again.
    assert [name for name in layout if "collections" in name] == [
        "collections/graph/beta"
    ]
    rest = train(small(keep="last"), data, tmp_path / "cut")
    assert rest.resumed_from == 4
    jax.tree.map(
        np.testing.assert_array_equal,
        rest.model.trained.variables,
        whole.model.trained.variables,
    )


def test_beta_is_the_percentile_of_the_untrained_network(run, tmp_path):
    data, _, _ = run
    graph = GraphRun(small(), data, tmp_path, no_bars)
    described = graph._untrained.described
    assert float(graph._variables["graph"]["beta"]) == pytest.approx(
        similarity_percentile(described, 98.0)
    )


def test_the_stage_of_the_command_line_searches_by_the_graph(run):
    data, out, result = run
    graph = open_graph(out).trained
    assert [str(n) for n in asked_stages("qe:2", similarity=False, graph=graph)] == [
        "gss:3",
        "qe:2",
    ]
    names = asked_stages("gss:3", similarity=False, graph=graph)
    file = read_descriptors(data)
    records = [
        Record(name=n, content=Path(n), label=label)
        for n, label in zip(file.names, file.labels, strict=True)
    ]
    embedding = Embedding(
        vectors=file.vectors, found=np.ones(len(records), bool), rejects=()
    )
    judged = judge(
        RetrievalSet(name="all", database=records),
        SameLabel(),
        lambda _: embedding,
        no_bars,
        stages=names,
        graph=graph,
    )
    assert judged.metrics["map"] == pytest.approx(result.after.metrics["all/map"])
    assert judged.metrics["first/map"] == pytest.approx(
        result.before.metrics["all/map"]
    )
    with pytest.raises(InputError, match="needs --graph RUN"):
        build_stages(names, queries=[], database=[], features_folder=out)


def test_lists_of_a_file_make_the_graph(run, tmp_path):
    data, _, result = run
    vectors = read_descriptors(data).vectors
    # As published, each image first; k counts it.
    np.save(tmp_path / "lists.npy", self_neighbours(vectors, 7).ids)
    same = train(small(graph=str(tmp_path / "lists.npy")), data, tmp_path / "same")
    assert same.after.metrics == pytest.approx(result.after.metrics, abs=1e-3)
    found, expected = same.model.trained.graph, result.model.trained.graph
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.columns, expected.columns)
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-6)
    lists = tmp_path / "lists.csv"
    lists.write_text("1,39\n" + "\n" * 39)
    other = GraphRun(small(graph=str(lists)), data, tmp_path / "other", no_bars).graph
    assert (
        list(zip(other.rows, other.columns, strict=True))
        == [
            (0, 1),
            (0, 39),
            (1, 0),
            (39, 0),
        ]
        or (vectors[0] @ vectors[[1, 39]].T).min() <= 0
    )
    lists.write_text("1\n")
    with pytest.raises(InputError, match="of 1 images, and there are 40"):
        train(small(graph=str(lists)), data, tmp_path / "other")


def test_a_run_does_not_go_on_with_other_descriptors(tmp_path):
    data = descriptor_file(tmp_path)
    train(small(), data, tmp_path / "run")
    file = read_descriptors(data)
    with np.load(data) as stored:
        others = dict(stored)
    assert others["vectors"].shape == file.vectors.shape
    others["vectors"] = file.vectors[::-1]
    np.savez(data, **others)
    with pytest.raises(InputError, match="the descriptors of the run in .* changed"):
        train(small(), data, tmp_path / "run")


def test_a_run_does_not_go_on_with_another_graph(run, tmp_path):
    data, _, _ = run
    lists = tmp_path / "lists.npy"
    found = self_neighbours(read_descriptors(data).vectors, 7).ids
    np.save(lists, found)
    config = small(graph=str(lists))
    train(config, data, tmp_path / "run")
    # Neighbours beyond those that it looks at may change.
    np.save(lists, found[:, :5])
    train(config, data, tmp_path / "run")
    np.save(lists, found[:, [0, 4, 5, 6]])
    with pytest.raises(InputError, match="the edges of the graph of the run in"):
        train(config, data, tmp_path / "run")


def test_verification_needs_photos(run, tmp_path):
    data, _, _ = run
    with pytest.raises(InputError, match="verification needs the photos"):
        train(small(graph="verified"), data, tmp_path / "run")


def test_the_inductive_query_is_exported(run, tmp_path):
    pytest.importorskip("safetensors", reason="the extra is not installed")
    data, out, _ = run
    for number, options in enumerate(({}, {"descriptors": data})):
        report = export_model(
            out, tmp_path / str(number), format="safetensors", **options
        )
        assert report.about["kind"] == "graph queries"
        assert report.metrics()["compared"] == 32
        assert report.metrics()["max_error"] < 1e-5
    with pytest.raises(InputError, match="leave --slot away"):
        export_model(out, tmp_path / "x", format="onnx", slot=(8, 8))


def test_bad_input(run, tmp_path):
    data, _, _ = run
    config = small()
    config.network.dim = 9
    with pytest.raises(InputError, match="the network is one of 9"):
        train(config, data, tmp_path / "a")
    for field, value in (
        ("neighbours", 1),
        ("query_neighbours", 0),
        ("steps", 0),
        ("percent", 101.0),
        ("alpha", 0.0),
        ("learning_rate", 0.0),
        ("graph", "verify"),
        ("queries", "lists.txt"),
    ):
        with pytest.raises(InputError, match=field):
            train(small(**{field: value}), data, tmp_path / "b")
    with pytest.raises(InputError, match="no trained graph"):
        open_graph(tmp_path)
    (tmp_path / "graph.json").write_text("{}")
    with pytest.raises(IndexFormatError, match="cannot be read"):
        open_graph(tmp_path)
