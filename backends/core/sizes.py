"""Bytes in words. It refuses to know of what."""

from __future__ import annotations


def size(value: float) -> str:
    """Bytes in decimal units, as disks and the guide count: 176 B, 1.4 MB, 36.9 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 999.5:
            return f"{value:.0f} B" if unit == "B" else f"{value:.{1 if abs(value) < 99.95 else 0}f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
