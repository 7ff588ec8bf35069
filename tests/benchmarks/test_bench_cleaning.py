from tests.benchmarks.runs import metrics_of


def test_quick_run_keeps_pairs_drops_intruders_and_writes_its_numbers(tmp_path):
    metrics = metrics_of("bench_cleaning", folder=tmp_path)
    assert metrics["scenes/pairs_kept"] == metrics["scenes/at_12_pairs_kept"] == 1
    assert metrics["scenes/intruders_dropped"] == 1
    assert metrics["scenes/pairs_per_s"] > 0
