from dataclasses import replace

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.report.comparison import (
    metric_changes,
    require_comparable,
    set_changes,
)
from jaxsim.report.page import Detail, Pictures

NAN = float("nan")

NO_PICTURES = Pictures(Detail(px=1, quality=50, queries=1, results=1), 0)


def found(make, metrics, **fields):
    result = make.result(make.images(2), [0.5, 0.5])
    return replace(result, metrics=metrics, definitions={}, **fields)


def test_every_metric_of_either_evaluation_is_compared(make):
    before = found(make, {"map": 0.5, "old": 0.1, "same": 0.3, "top1_error": 0.2})
    after = found(make, {"top1_error": 0.3, "map": 0.7, "same": 0.3004, "new": NAN})
    changes = {c.name: c for c in metric_changes(before, after)}
    assert list(changes) == ["top1_error", "map", "same", "new", "old"]
    verdicts = {name: change.verdict for name, change in changes.items()}
    assert verdicts == {
        "top1_error": "loss",
        "map": "gain",
        "same": "",
        "new": "",
        "old": "",
    }
    assert changes["map"].difference == pytest.approx(0.2)
    assert (changes["old"].before, changes["old"].after) == (0.1, None)
    assert changes["old"].difference is None and changes["new"].before is None


def test_values_that_are_no_numbers_are_neither_gain_nor_loss(make):
    (change,) = metric_changes(found(make, {"map": NAN}), found(make, {"map": 0.5}))
    assert change.verdict == "" and np.isnan(change.difference)


def test_one_evaluation_alone_has_no_differences(make):
    for before, after in [(found(make, {"map": 0.5}), None)] * 2:
        (change,) = metric_changes(before, after)
        assert (change.before, change.after, change.difference) == (0.5, None, None)


def changes(make, before, after, **detail):
    images = make.images(len(before), num_database=40)
    results = [
        make.evaluation(make.result(images, values)) for values in (before, after)
    ]
    detail = {"px": 8, "quality": 50, "queries": 2, "results": 3, **detail}
    return set_changes(*results, [images], Pictures(Detail(**detail), 10**7))[0]


def test_queries_are_counted_and_chosen_by_what_they_gained(make):
    # Numbers that float32 can hold; their median is 0.03125.
    gains = [0.125, NAN, -0.375, 0.5, 0.0, 0.0625, -0.125, 0.375, NAN, -0.0625]
    before = np.full(len(gains), 0.5)
    change = changes(make, before, before + gains)
    assert (change.num_judged, change.num_risen, change.num_fallen) == (8, 4, 3)
    assert change.mean_gain == pytest.approx(np.nansum(gains) / 8)
    chosen = {
        title: [query.after.name for query in queries]
        for title, _, queries in change.groups
    }
    assert chosen == {
        "Largest gains": ["q/3.png", "q/7.png"],
        "Typical queries": ["q/4.png", "q/5.png"],
        "Largest losses": ["q/2.png", "q/6.png"],
    }


def test_both_rankings_of_a_query_are_shown(make):
    change = changes(make, [0.25], [0.75])
    ((_, _, (query,)),) = change.groups
    assert query.gain == pytest.approx(0.5)
    assert query.before.average_precision == 0.25
    assert query.after.average_precision == 0.75
    assert len(query.before.results) == len(query.after.results) == 3


def test_without_images_only_numbers_are_compared(make):
    result = make.evaluation(make.result(make.images(2), [0.1, 0.2]))
    (change,) = set_changes(result, result, [], NO_PICTURES)
    assert change.groups == () and [m.name for m in change.metrics] == [
        "map",
        "recall@1",
    ]
    assert set_changes(None, None, [], NO_PICTURES) == []


def test_evaluations_of_different_sets_are_refused(make):
    images = make.images(2)
    result = make.evaluation(make.result(images, [0.1, 0.2]))
    other = make.evaluation(replace(result.sets[0], name="other"))
    with pytest.raises(InputError, match=r"measured the sets \['set'\].*\['other'\]"):
        require_comparable(result, other, [])
    with pytest.raises(InputError, match="1 results but 2 retrieval sets"):
        require_comparable(None, result, [images, images])
    with pytest.raises(InputError, match="ranks 2 queries but .* has 3"):
        require_comparable(result, None, [make.images(3)])
    require_comparable(result, result, [images])
    require_comparable(result, result, [])
    require_comparable(None, None, [])
