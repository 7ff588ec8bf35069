import re
from dataclasses import replace

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.pipeline.embedding_map import EmbeddingMap
from jaxsim.report.training_page import training_page

NAN = float("nan")


def rows(count=40) -> list[dict]:
    history: list[dict] = [
        {
            "step": step,
            "time_s": 2.0 * step,
            "grad_norm": 1.0,
            "images_per_s": 25.0,
            "learning_rate": 1e-3 / step,
            "loss": 1 / step,
        }
        for step in range(1, count + 1)
    ]
    for step in (10, 20, 30):
        history.append({"step": step, "eval/set/map": 0.5 - abs(step - 20) / 100})
        history.append({"step": step, "eval/other/val_loss": step / 10})
    history.append({"step": 15, "time_s": 70, "event": "resumed", "from": "step_15"})
    return sorted(history, key=lambda row: row["step"])


def a_map(count=3, *, before=True, name="n", label="l") -> EmbeddingMap:
    points = np.random.default_rng(0).normal(size=(2, count, 2)).astype(np.float32)
    return EmbeddingMap(
        points=points[0],
        labels=[f"{label}{i % 2}" for i in range(count)],
        names=[f"{name}{i}" for i in range(count)],
        method="t-SNE",
        before=points[1] if before else None,
    )


def run(make, num_queries=12, **changes) -> dict:
    """Arguments of a page of a whole run."""
    images = make.images(num_queries)
    falling = np.linspace(0.8, 0.2, num_queries)
    before, after = make.result(images, falling), make.result(images, falling[::-1])
    after = replace(after, metrics={"map": 0.75, "recall@1": NAN})
    arguments = {
        "history": rows(),
        "before": make.evaluation(before),
        "after": make.evaluation(after),
        "sets": [images],
        "embedding_map": a_map(),
        "title": "Title",
        "facts": {"config": "configs/a.py"},
    }
    return {**arguments, **changes}


NOTHING = {
    "history": [],
    "before": None,
    "after": None,
    "sets": [],
    "embedding_map": None,
    "facts": {},
}


def test_everything_known_stands_on_the_page(make):
    page = make.page(training_page(**run(make)))
    for text in (
        "Title",
        "configs/a.py",
        "Trained to step 40",
        "loss last 0.025",
        "best 0.5 at step 0",
        "best 1 at step 10",
        "last 3, lower is better",
        "0.5000.750+0.250Mean of what is <averaged>.",
        "n/an/an/aFirst.",
        "Of 12 judged queries, average precision rose for 6, fell for 6 and stayed "
        "the same for 0; the mean gain is 0.000.",
        "All queries",
        "AP +0.600",
        "AP −0.600",
        "Before: AP 0.200",
        "After: AP 0.800",
        "t-SNE",
        "Before training",
        "After training",
        "resumedfrom step_15",
        "1 min 10 s",
        "some CPU",
    ):
        assert text in page.text, text


def test_curves_may_start_from_something_else_than_what_was_before(make):
    arguments = run(make)
    start = ("a network", {"set/map": 1.5})
    words = ("given", "new")
    text = make.page(training_page(**arguments, words=words, start=start)).text
    assert "Step 0: a network; given is in the table below." in text
    assert "best 1.5 at step 0" in text
    text = make.page(training_page(**arguments)).text
    assert "Step 0" not in text


def test_curves_come_in_the_order_in_which_they_are_read(make):
    page = make.page(training_page(**run(make)))
    titles = [svg["aria-label"].split(":")[0] for svg in page.all("svg", "chart")]
    assert titles == [
        "loss",
        "learning_rate",
        "images_per_s",
        "grad_norm",
        "set/map",
        "other/val_loss",
        "t-SNE map of descriptors before training",
        "t-SNE map of descriptors after training",
    ]


def test_page_is_self_contained_and_accessible(make):
    html = training_page(**run(make))
    page = make.page(html)
    assert not re.search(r"https?:|<script|<link|@import|url\(|src=\"(?!data:)", html)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert all(a["href"][0] == "#" and a["href"][1:] in ids for a in page.all("a"))
    assert all(image["alt"] for image in page.all("img"))
    assert all(chart["aria-label"] for chart in page.all("svg", "chart"))
    assert len(page.all("h1")) == 1 and page.all("html")[0]["lang"] == "en"


def test_two_calls_give_one_page(make):
    assert training_page(**run(make)) == training_page(**run(make))


def test_both_rankings_of_each_query_are_shown_with_their_marks(make):
    arguments = run(make, num_queries=1)
    found = arguments["after"].sets[0]
    scores = -np.arange(3, dtype=np.float32)[None]
    wrong_first = replace(
        found,
        ranking=Ranking(np.array([[5, 0, 6]]), scores),
        relevance=np.array([[0, 1, 0]], np.int8),
    )
    right_first = replace(
        found,
        ranking=Ranking(np.array([[0, 7, 8]]), scores),
        relevance=np.array([[1, -1, 0]], np.int8),
    )
    before, after = make.evaluation(wrong_first), make.evaluation(right_first)
    page = make.page(training_page(**{**arguments, "before": before, "after": after}))
    text = page.text.split("Before: AP")[1].split("Map of descriptors")[0]
    for shown, expected in zip(
        text.split("After: AP"),
        [
            [("1", "✗", "5"), ("2", "✓", "0"), ("3", "✗", "6")],
            [("1", "✓", "0"), ("", "–", "7"), ("2", "✗", "8")],
        ],
        strict=True,
    ):
        marks = re.findall(r"(\d?)([✓✗–])\w+?(?:−?\d\.\d{3})\s+db/(\d).png", shown)
        assert marks == expected
    assert "first right at rank: 2" in text.split("After")[0]
    assert "first right at rank: 1" in text.split("After")[1]


def test_changes_of_queries_are_ordered(make):
    page = make.page(training_page(**run(make, num_queries=3)))
    names = re.findall(r"q/(\d)\.png\s+AP ([+−]?\d\.\d{3})", page.text)
    assert names == [("2", "+0.600"), ("1", "0.000"), ("0", "−0.600")]


def test_best_and_worst_changes_are_chosen_from_many(make):
    page = make.page(training_page(**run(make, num_queries=20)))
    for title in ("Largest gains", "Typical queries", "Largest losses"):
        assert title in page.text
    assert len(page.all("article")) == 12


@pytest.mark.parametrize(
    ("change", "absent"),
    [
        ({"history": []}, "Evaluations while training"),
        ({"history": [{"step": 3, "event": "x"}]}, "running mean"),
        ({"before": None}, "What it found"),
        ({"after": None}, "What it found"),
        ({"sets": []}, "What it found"),
        ({"embedding_map": None}, "Map of descriptors"),
        ({"embedding_map": a_map(before=False)}, "Before training"),
        (NOTHING, "Model, data and versions"),
    ],
)
def test_what_is_not_given_is_not_shown(make, change, absent):
    page = make.page(training_page(**run(make, **change)))
    assert absent not in page.text and "Title" in page.text
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert all(a["href"][1:] in ids for a in page.all("a"))


def test_one_evaluation_alone_shows_its_numbers(make):
    page = make.page(training_page(**run(make, before=None)))
    assert re.search(r"map0\.750Mean of", page.text)


@pytest.mark.parametrize("value", [NAN, None, float("inf"), "text"])
def test_metrics_without_a_finite_value_say_so(make, value):
    history = [{"step": 1, "loss": value}, {"step": 1, "eval/s/map": value}]
    page = make.page(training_page(**{**NOTHING, "title": "t", "history": history}))
    assert "loss no finite value" in page.text and "map no finite value" in page.text
    assert not page.all("svg", "chart")


def test_values_left_out_of_a_curve_are_counted(make):
    history = [{"step": s, "loss": NAN if s < 3 else 0.5} for s in range(5)]
    page = make.page(training_page(**{**NOTHING, "title": "t", "history": history}))
    assert "last 0.5; 3 values not finite, left out" in page.text


@pytest.mark.parametrize("time_s", [None, NAN, "soon", 5])
def test_events_may_lack_a_time(make, time_s):
    history = [{"step": 1, "event": "best", "time_s": time_s, "map": 0.123456}]
    page = make.page(training_page(**{**NOTHING, "title": "t", "history": history}))
    assert "bestmap 0.1235" in page.text
    assert ("5 s" in page.text) == (time_s == 5)


@pytest.mark.parametrize("name", ["<script>x</script>", "a\nb", "é\udcff", '"><b>'])
def test_hostile_names_are_escaped_everywhere(make, name):
    hostile = RetrievalSet(
        name=name,
        database=[make.record(name) for _ in range(20)],
        queries=[make.record(name)] * 2,
        positives=[[0], [1]],
    )
    found = replace(
        make.result(hostile, [0.5, 0.6]),
        metrics={name: 0.5},
        definitions={name: name},
        protocol={name: name},
    )
    result = replace(make.evaluation(found), model={name: name}, device=name)
    html = training_page(
        history=[
            {"step": 1, name: 0.5},
            {"step": 1, f"eval/{name}/{name}": 0.5},
            {"step": 2, "event": name, name: name},
        ],
        before=result,
        after=result,
        sets=[hostile],
        embedding_map=replace(a_map(name=name, label=name), method=name),
        title=name,
        facts={name: name},
    )
    html.encode()
    page = make.page(html)
    assert not page.all("script") and name not in html


@pytest.mark.parametrize("max_bytes", [400_000, 150_000, 60_000])
def test_size_bound_is_kept_with_large_photos(make, max_bytes):
    data = make.photo(0, height=300, width=400)
    many = [Record(name=f"{i}.png", content=lambda: data) for i in range(20)]
    images = RetrievalSet(name="s", database=many, positives=[[0]] * 20)
    result = make.evaluation(make.result(images, np.linspace(0, 1, 20), k=19))
    arguments = run(make, before=result, after=result, sets=[images])
    html = training_page(**arguments, max_bytes=max_bytes)
    assert len(html.encode()) <= max_bytes and "0.500" in make.page(html).text


def test_a_bound_too_small_for_the_numbers_is_an_error(make):
    with pytest.raises(InputError, match="max_bytes=1,000"):
        training_page(**run(make), max_bytes=1_000)


def test_long_runs_and_full_maps_stay_small(make):
    history = rows(20_000) + [
        {"step": 20_000 + i, "event": "best"} for i in range(3000)
    ]
    shown = a_map(2000, name="some/folder/with/a/long/name/photograph")
    html = training_page(
        **{**NOTHING, "title": "t", "history": history, "embedding_map": shown}
    )
    assert len(html.encode()) < 900_000
    page = make.page(html)
    assert "The last 500 of 3001" in page.text
    assert len(page.all("g", "label-0")) == 3 and len(page.all("circle")) > 2000


def test_evaluations_that_do_not_fit_are_refused(make):
    arguments = run(make)
    other = replace(arguments["after"].sets[0], name="other")
    with pytest.raises(InputError, match="evaluate both on the same data"):
        training_page(**{**arguments, "after": make.evaluation(other)})
    with pytest.raises(InputError, match="ranks 12 queries but .* has 11"):
        training_page(**{**arguments, "sets": [make.images(11)]})
