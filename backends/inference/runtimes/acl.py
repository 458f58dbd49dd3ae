"""pyACL: the `.om` on a chip, in a process of its own; it is `backends.ascend.acl`."""

from __future__ import annotations

from backends.device.model_runtime import RuntimeInfo

RUNTIME = RuntimeInfo(
    "acl",
    "backends.ascend.acl.acl_runtime:Acl",
    "acl",
    ("ascend",),
    rank=1,
    in_cann=True,
    explain="backends.ascend.acl_errors:fault",
)
