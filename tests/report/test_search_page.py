import re

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.data.records import Record
from jaxsim.report.search_page import search_page


def ranking(num_queries: int, k: int) -> Ranking:
    scores = np.linspace(1, 0.5, k, dtype=np.float32)
    ids = np.arange(k)
    return Ranking(np.tile(ids, (num_queries, 1)), np.tile(scores, (num_queries, 1)))


def database(make, n: int) -> list[Record]:
    return [make.record(f"db/{i}.png", i) for i in range(n)]


def test_hits_stand_in_order_with_rank_score_and_name(make):
    queries = [make.record("q/0.png", 50), make.record("q/1.png", 51)]
    found = Ranking(
        np.array([[2, 0, -1], [1, 2, 0]]),
        np.array([[0.9, 0.5, -np.inf], [0.75, 0.25, -0.5]], np.float32),
    )
    html = search_page(
        queries, found, database(make, 3), title="Found", info={"index": "my photos"}
    )
    page = make.page(html)
    hits = re.findall(r"(\d)(−?\d\.\d{3})\s*(db/\d\.png)", page.text)
    assert hits == [
        ("1", "0.900", "db/2.png"),
        ("2", "0.500", "db/0.png"),
        ("1", "0.750", "db/1.png"),
        ("2", "0.250", "db/2.png"),
        ("3", "−0.500", "db/0.png"),
    ]
    assert "2 queries asked of 3 images" in page.text and "my photos" in page.text
    assert not re.search(r"https?:|<script|<link|@import|url\(|src=\"(?!data:)", html)
    assert len(page.all("img")) == 7 and all(i["alt"] for i in page.all("img"))


def test_two_calls_give_one_page(make):
    def build() -> str:
        queries = [make.record("q", 9)]
        return search_page(
            queries, ranking(1, 3), database(make, 3), title="t", info={}
        )

    assert build() == build()


def test_deleted_images_keep_their_place_and_name(make, tmp_path):
    gone = Record(name="gone\n\udcff<b>.jpg", content=tmp_path / "gone.jpg")
    html = search_page([gone], ranking(1, 1), [gone], title="t", info={})
    html.encode()
    page = make.page(html)
    assert "gone\\n\\udcff<b>.jpg" in page.text and not page.all("b")
    assert page.text.count("not shown: no such file") == 2
    assert all(i["src"].startswith("data:image/svg+xml") for i in page.all("img"))


@pytest.mark.parametrize("k", [0, 2])
def test_a_query_without_hits_says_so(make, k):
    none = Ranking(np.full((1, k), -1), np.full((1, k), -np.inf, np.float32))
    html = search_page([make.record("q")], none, database(make, 1), title="t", info={})
    assert "No image was found" in make.page(html).text


def test_no_queries(make):
    none = Ranking(np.zeros((0, 3), np.int64), np.zeros((0, 3), np.float32))
    page = make.page(search_page([], none, database(make, 1), title="t", info={}))
    assert "0 queries asked of 1 image." in page.text


@pytest.mark.parametrize(("max_bytes", "all_shown"), [(300_000, True), (40_000, False)])
def test_thumbnails_shrink_before_queries_are_left_out(make, max_bytes, all_shown):
    data = make.photo(0, height=300, width=400)
    queries = [Record(name=f"q/{i}", content=lambda: data) for i in range(8)]
    html = search_page(
        queries, ranking(8, 3), queries, title="t", info={}, max_bytes=max_bytes
    )
    page = make.page(html)
    shown = len(page.all("article"))
    assert len(html.encode()) <= max_bytes and 0 < shown <= 8
    assert (shown == 8) == all_shown
    assert (f"Only the first {shown} " in page.text) == (not all_shown)


def test_hundreds_of_results_are_cut_and_it_is_said(make, tmp_path):
    gone = [Record(name=f"{i}", content=tmp_path / f"{i}") for i in range(502)]
    html = search_page(gone[:1], ranking(1, 502), gone, title="t", info={})
    page = make.page(html)
    assert len(page.all("li")) == 500
    assert "Only the first 500 of 502 results are shown" in page.text


def test_a_bound_too_small_for_the_names_is_an_error(make):
    with pytest.raises(InputError, match="max_bytes=1,000"):
        search_page(
            [make.record("q")],
            ranking(1, 1),
            database(make, 1),
            title="t",
            info={},
            max_bytes=1_000,
        )


def test_rankings_that_do_not_fit_are_refused(make):
    with pytest.raises(InputError, match="2 rows but 1 queries"):
        search_page(
            [make.record("q")], ranking(2, 1), database(make, 1), title="t", info={}
        )
    with pytest.raises(InputError, match="names image 2 but the database has only 2"):
        search_page(
            [make.record("q")], ranking(1, 3), database(make, 2), title="t", info={}
        )
