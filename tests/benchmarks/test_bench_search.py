from tests.benchmarks.runs import metrics_of


def test_quick_run_writes_its_numbers(tmp_path):
    metrics = metrics_of("bench_search", folder=tmp_path)
    assert metrics["20k64_batch1/qps"] > 0
    assert metrics["20k64_batch256/qps"] > 0
    assert metrics["50k32/extra_mib"] < 256
