"""A strict stand-in for ais_bench: `python3 -m ais_bench`, generations A to E, over a computation that needs no chip.

It refuses what the real tool refuses, by generation, and says what the real tool says. An `.om` of the stand-in for atc
is computed with ONNX Runtime, one of its own as the null runtime does, so that runs can be compared to the bit. What it
does not know, such as several devices in one process, it refuses. The environment tells it what to be:

    FAKE_AIS_GENERATION   A, B, C, D or E (default)
    FAKE_AIS_DEVICES      devices that are there (default 0,1,2,3); FAKE_AIS_SOC their kind (default Ascend310P3)
    FAKE_AIS_LATENCY      seconds an execution takes (default 0.002)
    FAKE_AIS_CALLS        a file that gets one JSON line a call: argv, pid, working folder, whether there is a terminal
    FAKE_AIS_FAULTS       JSON list of {"kind", "device", "at", "once"}; see `device.Faults`
    FAKE_AIS_NO_ACLRUNTIME  the compiled package is missing
"""
