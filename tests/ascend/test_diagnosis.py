"""What failures of atc, ais_bench, msame and pyACL mean, by whole texts that people published and by single lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from backends.ascend.diagnosis import diagnose, diagnose_run
from backends.ascend.log_diagnosis import explain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _logs(name: str) -> list[dict[str, Any]]:
    logs: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))["log"]
    return logs


ATC = _logs("atc_logs.toml")
FAILED = "ATC run failed, Please check the detail log, Try 'atc --help' for more information\n"


@pytest.mark.parametrize(
    ("words", "code", "cause"),
    [
        ("E10007: [PID: 10490] 2025-03-18-09:02:18.501.341 [--framework] is required.", "E10007", "missing or empty"),
        ("E10054: The requied parameter [--model] for ATC is empty.", "E10054", "missing or empty"),
        ("E10001: Value [-1] for parameter [image] is invalid.", "E10001", "a dimension that is not fixed"),
        ("E10001: Value [Ascend1] for parameter [--soc_version] is invalid", "E10001", "does not know the chip"),
        ("E10001: Value [x] for parameter [--log] is invalid", "E10001", "does not accept the value"),
        ("E10016: Opname [x] specified in [--input_shape] is not found", "E10016", "an input that the model does not"),
        ("E16005: The model has [2] domain_version fields", "E16005", "two operator sets"),
        ("E19010: No parser is registered for Op [d, optype [ai.onnx::23::Div]].", "E19010", "no parser"),
        ("[PID: 5] 2025-01-01-01:02:03.004.005 Not supported(EZ3002): Optype", "EZ3002", "not supported on this chip"),
        ("EZ3003: No supported Ops kernel and engine are found for [a]", "EZ3003", "not supported on this chip"),
        ("EC0010: Failed to import Python module [No module named 'decorator'].", "EC0010", "lacks a package"),
        ("E40000: Failed to import te: `np.float_` was removed in NumPy 2", "E40000", "has NumPy 2"),
        ("EZ9999: Inner Error!\n  rtStreamSynchronize failed, 507011", "EZ9999", "a batch that is too large"),
        ("E19999 inner\nE10016: Opname [x] is not found", "E10016", "an input that the model"),
        ("E89999: Inner Error!\nE89999 op[Add_718]", "E89999", "An inner error"),
        ("atc.bin: error while loading shared libraries: libascend_hal.so: cannot open", None, "no NPU driver"),
        ("BrokenPipeError: [Errno 32] Broken pipe", None, "ran out of memory"),
        ("E10001: Value -1 for parameter image is invalid. Reason: it must be fixed", "E10001", "that is not fixed"),
        (
            (
                "E10001: [PID: 7] 2025-01-01-01:02:03.004.005 Value [Ascend1] for parameter [--soc_version] is invalid."
                "\n  TraceBack: build graph failed, graph id:0, ret:-1[FUNC:BuildModel][LINE:148]"
            ),
            "E10001",
            "does not know the chip",
        ),
        ("E10002: Value input:x for parameter --input_shape is invalid", "E10002", "do not fit the model's input"),
        ("E10047: --precision_mode and --precision_mode_v2 are mutually exclusive.", "E10047", "exclude each other"),
        ("E10010: Value x for parameter --log is invalid.", "E10010", "does not accept the value"),
        ("E10041: Failed to load the model from m.onnx.", "E10041", "cannot read the model file"),
        ("E13004: Failed to write file x. Reason: No space left on device", "E13004", "The disk is full"),
        ("E10501: IR for Op a with optype B is not registered.", "E10501", "does not find its operators"),
        ("EZ9010: No parser is registered for Op [a, optype [b]].", "EZ9010", "no parser"),
        (
            (
                "E40021: [PID:35515] 2025-06-09-21:25:59.698.173 Failed to compile Op [Add1]. (oppath: [Compile x.py "
                "failed\nfatal error: 'type_traits' file not found\n#include <type_traits>"
            ),
            "E40021",
            "C++ headers",
        ),
        ("E40021: Failed to compile Op [Index2]. (oppath: [Compile index.py failed", "E40021", "could not be compiled"),
        ("EZ0019: Parameter x of operator Cast has incorrect dtype uint8.", "EZ0019", "does not take"),
        ("EE9999: Inner Error!", "EE9999", "An inner error"),
        ("AttributeError: `np.float_` was removed in the NumPy 2.0 release.", None, "has NumPy 2"),
        ("ModuleNotFoundError: No module named 'sympy'", None, "lacks a package"),
        ("atc.bin: /lib64/libstdc++.so.6: version `GLIBCXX_3.4.29' not found", None, "built for a newer system"),
        ("atc.bin: error while loading shared libraries: libge_runner.so: cannot open", None, "is not found"),
    ],
)
def test_known_failures(words: str, code: str | None, cause: str) -> None:
    """Every code of the contract, in each of its forms, with headline and without, has its cause and fix."""
    for text in (FAILED + words, words):
        failure = diagnose(text, "atc")
        assert failure is not None
        assert (code, True, True) == (failure.code, cause.lower() in str(failure.cause).lower(), bool(str(failure.fix)))
        assert "PID" not in failure.message


def test_what_stands_behind_the_headline_counts_first() -> None:
    """A code in the noise before the headline gives way to the one after it."""
    failure = diagnose("retry after E10016: x\n" + FAILED + "EZ3003: No supported Ops kernel", "atc")
    assert failure is not None
    assert ("EZ3003", "EZ3003: No supported Ops kernel") == (failure.code, failure.message)


@pytest.mark.parametrize("first", "1234578BCDEFGHIJKLMNOPZ")
@pytest.mark.parametrize("number", ["0777", "1777", "9998", "9999"])
def test_every_code_is_answered_by_its_group_at_least(first: str, number: str) -> None:
    """A code that has no entry of its own has the cause and the fix of its part of CANN, and its own words."""
    for tool in ("atc", "run"):
        found = diagnose(f"E{first}{number}: never seen", tool)
        assert found is not None
        assert (f"E{first}{number}", f"E{first}{number}: never seen") == (found.code, found.message)
        assert str(found.cause)
        assert str(found.fix)


def test_a_code_of_atc_that_is_not_listed_blames_no_option() -> None:
    """The code, atc's own message and where the log is; an option is named only where the message names one."""
    text = "E10777: Memory of graph [g] is not aligned."
    found = diagnose(FAILED + text, "atc")
    assert found is not None
    assert ("E10777", text) == (found.code, found.message)
    assert "E10777 is not in the catalogue of r3d-tui" in str(found.cause)
    assert "option" not in f"{found.cause} {found.fix}"
    assert "log of the compile stage" in str(found.fix)
    named = diagnose("E10777: Value of --buffer_optimize is odd.", "atc")
    assert named is not None
    assert "atc refuses its option --buffer_optimize" == str(named.cause)


@pytest.mark.parametrize("words", ["", "W11001: Op [fc] does not hit", "ATC run success", "CODE10016X"])
def test_no_failure_no_trouble(words: str) -> None:
    """Warnings, success and lookalikes are no errors."""
    assert diagnose(words) is None


@pytest.mark.parametrize("log", [log for log in ATC if log["cause"]], ids=lambda log: log["name"])
def test_a_published_failure_of_atc(log: dict[str, str]) -> None:
    """The code that it prints, else none, and words that say why and what to do; alone, and as a saved log."""
    saved = explain(log["text"])
    assert saved is not None
    for found in (diagnose(log["text"], "atc"), saved.failure):
        assert found is not None
        assert log["code"] == (found.code or "")
        assert log["cause"].lower() in str(found.cause).lower()
        assert log["fix"].lower() in str(found.fix).lower()
        assert found.message


@pytest.mark.parametrize(
    "log", [log for log in _logs("atc_logs.toml") if not log["cause"]], ids=lambda log: log["name"]
)
def test_a_published_success_of_atc_is_no_failure(log: dict[str, str]) -> None:
    """With its dots, its warnings and what Python printed before."""
    assert diagnose(log["text"], "atc") is None


@pytest.mark.parametrize("log", _logs("tool_logs.toml"), ids=lambda log: log["name"])
def test_a_published_failure_of_a_run(log: dict[str, Any]) -> None:
    """With its number of pyACL where it prints one, and whether a new process may do better."""
    found = diagnose_run(log["status"], log["text"])
    assert log["reason"].lower() in str(found.reason).lower()
    assert log["fix"].lower() in str(found.fix).lower()
    assert log["again"] == found.again
    assert str(log.get("code", "")) in str(found.reason)


@pytest.mark.parametrize("log", _logs("public_logs.toml"), ids=lambda log: log["name"])
def test_the_root_is_found_in_a_whole_text(log: dict[str, Any]) -> None:
    """Among several codes, by words beside a code, and with advice for the tool that printed it alone."""
    found = explain(log["text"])
    assert found is not None
    assert found.failure is not None
    cause, fix = str(found.failure.cause).lower(), str(found.failure.fix).lower()
    assert [] == [word for word in log["cause"] if word.lower() not in cause]
    assert [] == [word for word in log["fix"] if word.lower() not in fix]
    assert [] == [word for word in log.get("never", ()) if word.lower() in cause + fix]


@pytest.mark.parametrize(
    ("name", "cause", "fix"),
    [
        ("e20103_aicore_num", "refuses the value of its option aicore_num", "Give aicore_num a value"),
        ("ez2001_ecc", "card is faulty", "Exclude this chip"),
        ("funasr_soc_mismatch", "compiled for Ascend910B, and the chip is Ascend910B2", "soc_version to Ascend910B2"),
        ("maxpoolgrad_500002_ez3003", "MaxPoolGradWithArgmaxV1 is not supported on this chip", "kernels/opp package"),
        ("mmagic_1056_deform_conv", "MMCVModulatedDeformConv2d is not an operator of ONNX", "plugin"),
        ("no_module_acl", "comes with CANN", "source set_env.sh"),
        ("qwen7_worker_eof", "where memory runs out", "TE_PARALLEL_COMPILER=1"),
        ("ref_e13025", "do not fit the model's", "compile.input_shape"),
        ("runtime_faq_driver_107001", "the driver is not loaded", "load the driver"),
        ("runtime_faq_init_100002", "harmless", "One acl.init"),
        ("yolov5_get_list_info", "nothing was inferred", "folder of --input"),
    ],
)
def test_the_example_of_each_kind(shared: Path, name: str, cause: str, fix: str) -> None:
    """Texts that version 0.1 read wrongly."""
    found = explain((shared / "cases" / "tool_output" / f"{name}.log").read_text())
    assert found is not None
    assert found.failure is not None
    assert cause in str(found.failure.cause)
    assert fix in str(found.failure.fix)


def test_numbers_that_are_no_codes_are_not_taken_for_one() -> None:
    """Process ids, sizes and times beside the word ERROR; a warning about pkg_resources is no failure of its own."""
    words = "[ERROR] RUNTIME(205664,python):2024-10-22-17:51:37.933.319 [runtime.cc:3736]205664 Retain: size=507011\n"
    words += "UserWarning: pkg_resources is deprecated as an API\n"
    assert "Retain: size=507011" == str(diagnose_run(1, words).reason)


def test_a_run_that_printed_nothing_has_its_exit_status_or_signal() -> None:
    """With where to look."""
    assert ["exit status 1", "ended by signal 9"] == [str(diagnose_run(status, "").reason) for status in (1, 137)]
    assert "plog" in str(diagnose_run(1, "").fix)
