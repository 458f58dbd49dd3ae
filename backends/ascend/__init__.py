"""All that knows Huawei: npu-smi, CANN, atc, pyACL, ais_bench, and the diagnosis of their failures."""
