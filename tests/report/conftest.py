"""Photos, results and a strict reader of pages."""

import io
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from jaxsim.core.ranking import Ranking
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.evaluation.result import EvaluationResult, SetResult

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Reads a page; fails on tags that are not closed in order."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str, css_class: str | None = None) -> list[dict]:
        return [
            attrs
            for name, attrs in self.tags
            if name == tag
            and (css_class is None or css_class in (attrs.get("class") or "").split())
        ]


def photo(seed: int, *, height: int = 48, width: int = 64) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def photo_record(name: str, seed: int = 0, **fields) -> Record:
    return Record(name=name, content=lambda: photo(seed), **fields)


def retrieval_set(
    num_queries: int, *, num_database: int = 20, name: str = "set"
) -> RetrievalSet:
    return RetrievalSet(
        name=name,
        database=[photo_record(f"db/{i}.png", i) for i in range(num_database)],
        queries=[photo_record(f"q/{i}.png", 100 + i) for i in range(num_queries)],
        positives=[[i % num_database] for i in range(num_queries)],
    )


def set_result(images: RetrievalSet, average_precision, *, k: int = 8) -> SetResult:
    """Ranks the images of each query in a fixed pseudo-random order."""
    num_queries, n = len(average_precision), len(images.database)
    scores = np.random.default_rng(7).random((num_queries, n))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    sorted_scores = np.take_along_axis(scores, order, axis=1).astype(np.float32)
    ranking = Ranking(order, sorted_scores)
    right = np.arange(num_queries)[:, None] % n
    return SetResult(
        name=images.name,
        metrics={"map": 0.5, "recall@1": float("nan")},
        definitions={"map": "Mean of what is <averaged>.", "recall@1": "First."},
        protocol={"average precision": "finite sum"},
        average_precision=np.asarray(average_precision, np.float32),
        ranking=ranking,
        relevance=(ranking.ids == right).astype(np.int8),
        num_positives=np.ones(num_queries, np.int64),
    )


def evaluation(*sets: SetResult) -> EvaluationResult:
    return EvaluationResult(
        sets=sets,
        model={"backbone": "EfficientNet-Lite0"},
        data={"rejected": "2 images"},
        versions={"jaxsim": "0.1.0"},
        device="some CPU",
        timings={"embed_images_per_s": 61.03},
    )


@pytest.fixture
def make():
    """The makers above, without imports between test files."""

    class Make:
        page = Page
        record = staticmethod(photo_record)
        photo = staticmethod(photo)
        images = staticmethod(retrieval_set)
        result = staticmethod(set_result)
        evaluation = staticmethod(evaluation)

    return Make
