"""Tests of `backends.ascend.atc_errors` and its catalogue."""

from __future__ import annotations

import pytest

from backends.ascend.atc_errors import catalogue, diagnose, parse

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
        trouble = diagnose(text)
        assert trouble is not None
        assert (code, True, True) == (trouble.code, cause in str(trouble.cause), bool(str(trouble.fix)))
        assert "PID" not in trouble.message


def test_what_stands_behind_the_headline_counts_first() -> None:
    """A code in the noise before the headline gives way to the one after it."""
    trouble = diagnose("retry after E10016: x\n" + FAILED + "EZ3003: No supported Ops kernel")
    assert trouble is not None
    assert ("EZ3003", "EZ3003: No supported Ops kernel") == (trouble.code, trouble.message)


def test_unknown_code_is_kept_with_its_words() -> None:
    """A code that the catalogue does not have is told as it stands, without a guess."""
    trouble = diagnose(FAILED + "E77777: never seen")
    assert trouble is not None
    assert ("E77777", "E77777: never seen", "") == (trouble.code, trouble.message, str(trouble.cause))


@pytest.mark.parametrize("words", ["", "W11001: Op [fc] does not hit", "ATC run success", "CODE10016X"])
def test_no_failure_no_trouble(words: str) -> None:
    """Warnings, success and lookalikes are no errors."""
    assert diagnose(words) is None


def test_causes_and_fixes_hold_nothing_to_fill_in() -> None:
    """They are messages without facts, on one line."""
    assert len(catalogue()) > 12
    assert set() == {sign for entry in catalogue() for sign in entry.cause + entry.fix} & set("{}\n")


def test_incomplete_entry_is_named() -> None:
    """A person who extends the catalogue is told which entry lacks what."""
    with pytest.raises(ValueError, match="failure 1 of the atc catalogue: fix is missing"):
        parse('[[failure]]\ncode = "E1"\ncause = "a"\n')
    with pytest.raises(ValueError, match="code or text is missing"):
        parse('[[failure]]\ncause = "a"\nfix = "b"\n')
