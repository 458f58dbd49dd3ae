"""An Ascend server that is not there: strict stand-ins for npu-smi, CANN's set_env.sh, atc and pyACL."""
