import pytest

from tests.benchmarks.runs import metrics_of


def test_quick_run_writes_both_curves(tmp_path):
    pytest.importorskip("faiss")
    metrics = metrics_of("bench_ivfpq", folder=tmp_path)
    for batch in (1, 64):
        for system in ("jaxsim", "faiss"):
            name = f"20k32_batch{batch}/{system}_probes"
            found = [metrics[f"{name}{probes}_recall"] for probes in (1, 4, 16)]
            assert found[0] < found[-1] and found[-1] > 0.7
            assert metrics[f"{name}4_qps"] > 0
        assert metrics[f"ratio/20k32_batch{batch}_probes4"] > 0
