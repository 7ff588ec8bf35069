import os

import pytest

from tests.benchmarks.runs import metrics_of


# tests/multihost does the same with a tiny network in seconds.
@pytest.mark.skipif("JAXSIM_SLOW_TESTS" not in os.environ, reason="takes minutes")
def test_quick_run_trains_as_one_process_and_goes_on_after_a_kill(tmp_path):
    metrics = metrics_of("bench_two_processes", folder=tmp_path)
    assert metrics["loss_difference/pair"] <= 1e-5
    assert metrics["loss_difference/restarted"] <= 1e-5
    assert 0 < metrics["missed_after_s"] < 60
    assert metrics["steps_before_kill"] >= 3
