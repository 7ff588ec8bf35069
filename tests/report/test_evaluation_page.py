import re
from dataclasses import replace

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.data.rejects import Reject
from jaxsim.report.evaluation_page import evaluation_page

NAN = float("nan")


def simple_page(make, average_precision, **options):
    images = make.images(len(average_precision))
    result = make.evaluation(make.result(images, average_precision))
    return evaluation_page(result, [images], title="Title", **options)


def test_everything_known_stands_on_the_page(make):
    html = simple_page(make, np.linspace(0, 1, 15))
    page = make.page(html)
    known = "Title,set,map,0.500,n/a,Mean of what is <averaged>.,finite sum,61.03"
    known += ",EfficientNet-Lite0,2 images,0.1.0,some CPU,mean 0.500,median 0.500"
    known += ",Best queries,Typical queries,Worst queries,15 queries asked of 20 images"
    for text in known.split(","):
        assert text in page.text, text


def test_page_is_self_contained_and_accessible(make):
    html = simple_page(make, np.linspace(0, 1, 15))
    page = make.page(html)
    assert not re.search(r"https?:|<script|<link|@import|url\(|src=\"(?!data:)", html)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert all(a["href"][0] == "#" and a["href"][1:] in ids for a in page.all("a"))
    assert all(image["alt"] for image in page.all("img"))
    assert all(chart["aria-label"] for chart in page.all("svg"))
    assert len(page.all("h1")) == 1 and page.all("html")[0]["lang"] == "en"


def test_two_calls_give_one_page(make):
    values = [0.5, NAN, *np.linspace(0, 1, 15)]
    assert simple_page(make, values) == simple_page(make, values)


@pytest.mark.parametrize("max_bytes", [400_000, 100_000, 40_000, 20_000])
def test_size_bound_is_kept_with_large_photos(make, max_bytes):
    data = make.photo(0, height=300, width=400)
    many = [Record(name=f"{i}.png", content=lambda: data) for i in range(20)]
    images = RetrievalSet(name="s", database=many, positives=[[0]] * 20)
    result = make.evaluation(make.result(images, np.linspace(0, 1, 20), k=19))
    html = evaluation_page(result, [images], title="t", max_bytes=max_bytes)
    assert len(html.encode()) <= max_bytes
    assert "0.500" in make.page(html).text


def test_a_bound_too_small_for_the_numbers_is_an_error(make):
    with pytest.raises(InputError, match="max_bytes=1,000"):
        simple_page(make, [0.5], max_bytes=1_000)


@pytest.mark.parametrize("name", ["<script>x</script>", "a\nb", "é\udcff", '"><b>'])
def test_hostile_names_are_escaped_everywhere(make, name):
    images = make.images(2)
    hostile = RetrievalSet(
        name=name,
        database=[make.record(name) for _ in images.database],
        queries=[make.record(name)] * 2,
        positives=[[0], [1]],
    )
    found = make.result(hostile, [0.5, 0.6])
    found = replace(
        found, metrics={name: 0.5}, definitions={name: name}, protocol={name: name}
    )
    result = replace(
        make.evaluation(found, found),
        model={name: name},
        data={name: name},
        versions={name: name},
        device=name,
        timings={name: 1.0},
    )
    html = evaluation_page(result, [hostile, hostile], title=name)
    html.encode()
    page = make.page(html)
    assert not page.all("script") and name not in html
    shown = {"a\nb": "a\\nb", "é\udcff": "é\\udcff"}.get(name, name)
    assert any(shown in image["alt"] for image in page.all("img"))


@pytest.mark.parametrize("values", [[], [NAN], [0.5], [NAN, NAN, NAN]])
def test_no_or_one_query(make, values):
    page = make.page(simple_page(make, values))
    judged = sum(not np.isnan(v) for v in values)
    assert ("No query could be judged" in page.text) == (judged == 0)
    assert len(page.all("article")) == judged


def test_unjudged_queries_are_counted_and_not_shown(make):
    page = make.page(simple_page(make, [0.5, NAN, 0.25]))
    assert "3 queries asked of 20 images; 2 judged" in page.text
    assert len(page.all("article")) == 2 and "q/1.png" not in page.text


def test_a_ranking_without_results_shows_what_was_missed(make):
    images = make.images(2)
    found = make.result(images, [0.0, 0.0], k=3)
    nothing = Ranking(np.full((2, 3), -1), np.full((2, 3), -np.inf, np.float32))
    found = replace(found, ranking=nothing, relevance=np.full((2, 3), -1, np.int8))
    page = make.page(evaluation_page(make.evaluation(found), [images], title="t"))
    assert "not in the first 3" in page.text
    assert len(page.all("li", "missed")) == 2 == len(page.all("li"))


def one_query(make, relevance):
    """A query whose result in place i is image i."""
    k = len(relevance)
    images = make.images(1, num_database=k + 1)
    images = replace(images, positives=[[k]])
    scores = -np.arange(k, dtype=np.float32)[None] / 100
    found = replace(
        make.result(images, [0.5], k=k),
        ranking=Ranking(np.arange(k)[None], scores),
        relevance=np.array([relevance], np.int8),
    )
    return make.page(evaluation_page(make.evaluation(found), [images], title="t"))


def test_results_are_marked_and_ignored_ones_take_no_rank(make):
    page = one_query(make, [-1, 0, 1, 0])
    assert [a["class"] for a in page.all("li")] == [
        "ignored",
        "wrong",
        "right",
        "wrong",
    ]
    captions = re.findall(r"(\d?)([✓✗–])(right|wrong|ignored)(−?\d\.\d{3})", page.text)
    assert captions == [
        ("", "–", "ignored", "0.000"),
        ("1", "✗", "wrong", "−0.010"),
        ("2", "✓", "right", "−0.020"),
        ("3", "✗", "wrong", "−0.030"),
    ]
    assert "first right at rank: 2" in page.text


def test_a_late_right_result_takes_the_last_place(make):
    page = one_query(make, [-1] + [0] * 18 + [1])
    assert [a["class"] for a in page.all("li")] == ["ignored"] + ["wrong"] * 10 + [
        "right"
    ]
    assert "… 19✓right−0.190" in page.text and "db/19.png" in page.text


def test_a_right_image_not_found_takes_the_last_place(make):
    page = one_query(make, [0] * 20)
    assert [a["class"] for a in page.all("li")] == ["wrong"] * 11 + ["missed"]
    assert "missed✓" in page.text and "db/20.png" in page.text


def test_table_lists_all_judged_queries_worst_first(make):
    page = make.page(simple_page(make, [0.5, NAN, 0.25, 1.0]))
    rows = re.findall(r"q/(\d)\.png(\d\.\d{3})1", page.text)
    assert rows == [("2", "0.250"), ("0", "0.500"), ("3", "1.000")]


def test_images_left_out_stand_with_their_reasons(make):
    images = make.images(2)
    result = make.evaluation(make.result(images, [0.5, 0.6]))
    assert "Images left out" not in evaluation_page(result, [images], title="t")
    rejects = tuple(Reject(name=f"<{i}>\n.jpg", reason=f"why {i}") for i in range(2500))
    html = evaluation_page(replace(result, rejects=rejects), [images], title="t")
    page = make.page(html)
    assert "2,500 images could not be used" in page.text
    assert "The first 2000 as a table" in page.text
    assert "<7>\\n.jpgwhy 7" in page.text and "why 2000" not in page.text


def test_metrics_that_a_set_lacks_leave_a_gap(make):
    images = make.images(1)
    found = make.result(images, [0.5])
    other = replace(found, name="other", metrics={"map@r": 0.25})
    result = make.evaluation(found, other)
    page = make.page(evaluation_page(result, [images, images], title="t"))
    assert len(page.all("table", "overview")) == 1
    assert re.search(r"other\s*0\.250", page.text)


def test_sets_that_do_not_fit_are_refused(make):
    images = make.images(3)
    result = make.evaluation(make.result(images, [0.1, 0.2, 0.3]))
    with pytest.raises(InputError, match="1 results but 0 retrieval sets"):
        evaluation_page(result, [], title="t")
    with pytest.raises(InputError, match="ranks 3 queries but .* has 2"):
        evaluation_page(result, [make.images(2)], title="t")
    with pytest.raises(InputError, match="the last one .* is 1"):
        evaluation_page(result, [make.images(3, num_database=2)], title="t")


def test_page_of_real_photos_stays_under_five_megabytes(make, shared_data):
    folder = shared_data / "smvs" / "book_covers"
    records = [
        [Record(name=p.name, content=p) for p in sorted((folder / part).glob("*.jpg"))]
        for part in ("query", "reference")
    ]
    images = RetrievalSet(
        name="book_covers",
        queries=records[0],
        database=records[1],
        positives=[[i] for i in range(len(records[0]))],
    )
    ap = np.random.default_rng(0).random(len(records[0]))
    result = make.evaluation(make.result(images, ap, k=20))
    html = evaluation_page(result, [images], title="Book covers")
    page = make.page(html)
    assert 500_000 < len(html.encode()) <= 5_000_000
    assert len(page.all("article")) == 12 and len(page.all("img")) == 12 * 13
