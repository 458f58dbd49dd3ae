"""Figures of ais_bench, ais_infer and msame, read from what they printed, one test of each wording."""

from __future__ import annotations

import pytest

from backends.ascend.log_diagnosis import ToolFigures, read_log

RULE = "[INFO] -----------------Performance Summary------------------\n"
NPU = "[INFO] NPU_compute_time (ms): min = 13.3, max = 13.6, mean = 13.4, median = 13.5, percentile(99%) = 13.5514\n"
CASES = {
    "first wording, with copies": (
        (
            f"{RULE}[INFO] H2D_latency (ms): min = 0.2, max = 0.4, mean = 0.3,median = 0.3, percentile(99%) = 4\n{NPU}"
            "[INFO] D2H_latency (ms): min = 0.08, max = 0.1, mean = 0.09, median = 0.09, percentile(99%) = 0.1\n"
            "[INFO] throughput (1000*batchsize/NPU_compute_time): 171.5691219234638\n"
        ),
        ToolFigures("ais_bench", 13.4, None, 171.5691219234638),
    ),
    "A and B": (
        f"{NPU}[INFO] throughput 1000*batchsize(64)/NPU_compute_time.mean(13.4): 4776.11\n",
        ToolFigures("ais_bench", 13.4, batch=64, throughput=4776.11),
    ),
    "C to E, behind a bar": (
        (
            "\rInference array Processing:   0%|  | 0/2 [00:00<?, ?it]\rInference array Processing: 100%|█|2/2 [00]\n"
            f"{RULE}{NPU}[INFO] throughput 1000*batchsize.mean(10)/NPU_compute_time.mean(13.4): 746.2686567164179\n"
        ),
        ToolFigures("ais_bench", 13.4, batch=10, throughput=746.2686567164179),
    ),
    "several threads": (
        (
            "[INFO] NPU_compute_time (ms): mean = 3.5\n"
            "[INFO] throughput 1000*batchsize.mean(10.0)/NPU_compute_time.mean(3.5): 2857.142857142857\n"
        ),
        ToolFigures("ais_bench", 3.5, batch=10, throughput=2857.142857142857),
    ),
    "times of a log and colours": (
        (
            "\rloop inference exec: (100/100)\r2025-01-01 10:00:00,123 - 77 - ais_bench - INFO - "
            "NPU_compute_time (ms): min = 1e-1, max = 2, mean = 1.5, median = 1.5, percentile(99%) = 2\n"
            "\x1b[32m10:00:00,124 - throughput 1000*batchsize.mean(8)/NPU_compute_time.mean(1.5): 5.0\x1b[0m\n"
        ),
        ToolFigures("ais_bench", 1.5, batch=8, throughput=5.0),
    ),
    "two devices": (
        (
            f"{NPU}[INFO] throughput 1000*batchsize.mean(4)/NPU_compute_time.mean(13.4): 1494.35\n"
            "[INFO] multidevice run end qsize:4 result:0\n"
            "[INFO] i:1 device_1 throughput:1501.15                 start_time:1752744657.03 end_time:1752744670.32\n"
            "i:0 device_0 throughput:1494.35 start_time:1752744658.01 end_time:1752744671.81\n"
            "[INFO] summary throughput:2995.5\n"
        ),
        ToolFigures(
            "ais_bench", 13.4, batch=4, throughput=1494.35, devices=((1, 1501.15), (0, 1494.35)), summed=2995.5
        ),
    ),
    "msame on files": (
        (
            "[INFO] start to process file:/x/1.bin\n[INFO] model execute success\nInference time: 105.4ms\n"
            "[INFO] output data success\nInference time: 105.2ms\nInference average time : 105.30 ms\n"
            "Inference average time without first time: 105.20 ms\n[INFO] unload model success, model Id is 1\n"
        ),
        ToolFigures("msame", 105.2),
    ),
    "msame in a loop": (
        "Inference average time: 683.453900 ms\nInference average time without first time: 683.422111 ms\n",
        ToolFigures("msame", 683.422111),
    ),
    "msame on one file": ("Inference average time : 2.41 ms\n", ToolFigures("msame", 2.41)),
    "a failure": ("[INFO] acl init success\n[ERROR] acl open device 5 failed\n[INFO] end to finalize acl\n", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_printed_is_read(name: str) -> None:
    """The figures that are shown, and none that the text does not have."""
    text, expected = CASES[name]
    assert ((expected,) if expected else ()) == read_log(text)[0]


def test_a_rate_is_the_tools_own_or_by_its_mean() -> None:
    """All devices together where there are several; of msame by the batch of the model."""
    rates = {name: figures.rate(10) for name, (_, figures) in CASES.items() if figures is not None}
    assert (2995.5, 4776.11) == (rates["two devices"], rates["A and B"])
    assert 1000 * 10 / 2.41 == rates["msame on one file"]


def test_runs_that_follow_each_other_or_overlap_are_told_apart() -> None:
    """By their headings, by their times where headings overlap, and of msame by its averages."""
    rate = "[INFO] throughput 1000*batchsize.mean(1)/NPU_compute_time.mean({0}): {1}\n"
    first = NPU + rate.format(13.4, 74.6)
    second = NPU.replace("13.4", "26.8") + rate.format(26.8, 37.3)
    for text in (RULE + first + RULE + second, RULE + RULE + first + second, first + second):
        found, end = read_log(text + "after")
        assert [(13.4, 74.6), (26.8, 37.3)] == [(one.mean, one.throughput) for one in found]
        assert end <= len(text)
    summed = "[INFO] summary throughput:111.9\n"
    assert [111.9, None] == [one.summed for one in read_log(first + second + summed + RULE + first)[0]]
    msame = "Inference time: {0}ms\nInference average time : {0} ms\n"
    assert [2.0, 3.0] == [one.mean for one in read_log(msame.format(2) + msame.format(3))[0]]
