"""Numbers as a person reads them: counts, rates, times, sizes. A number that nobody measured is a dash, never 0."""

import math

from backends.core.messages import size as size_in_words

DASH = "–"


def count(value: float | None) -> str:
    """1530 → "1,530"."""
    return f"{value:,.0f}" if value is not None and math.isfinite(value) else DASH


def number(value: float | None, digits: int = 1, unit: str = "") -> str:
    """A figure with its unit behind a blank; the dash carries none."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,.{digits}f} {unit}" if unit else f"{value:,.{digits}f}"


def rate(value: float | None) -> str:
    """Units a second, with as many digits as tell something: 0.42, 13.7, 392.2, 17,003."""
    if value is None or not math.isfinite(value):
        return DASH
    digits = 2 if value < 10 else 1 if value < 1000 else 0
    return f"{value:,.{digits}f}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share of one as per cent; below 100 % it is never rounded up to 100."""
    if share is None or not math.isfinite(share):
        return DASH
    text = f"{share * 100:.{digits}f}"
    if share < 1 and float(text) >= 100:
        text = f"{100 - 10**-digits:.{digits}f}"
    return f"{text} %"


def seconds(value: float | None) -> str:
    """0.4 s, 12.3 s, 4:12, 1:02:03, 3 d 4 h."""
    if value is None or not math.isfinite(value) or value < 0:
        return DASH
    if value < 59.95:
        return f"{value:.1f} s"
    return clock(value)


def clock(value: float | None) -> str:
    """Whole seconds as 0:42, 4:12, 1:02:03: for times that go on, so that their width holds still."""
    if value is None or not math.isfinite(value) or value < 0:
        return DASH
    whole = int(value)
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, secs = divmod(rest, 60)
    text = f"{hours}:{minutes:02d}:{secs:02d}" if hours or days else f"{minutes}:{secs:02d}"
    return f"{days} d {hours} h" if days else text


def size(value: float | None) -> str:
    """Bytes in decimal units, as disks and the guide count: 176 B, 36.9 GB."""
    if value is None or not math.isfinite(value):
        return DASH
    return size_in_words(value)


def small(value: float | None) -> str:
    """A difference such as 2.4e-07; exactly nothing is 0."""
    if value is None or not math.isfinite(value):
        return DASH
    return "0" if value == 0 else f"{value:.1e}"


def as_number(value: object) -> float | None:
    """A figure of an outcome, where it is one; a true or false is none."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    return None


def milliseconds(value: float | None) -> str:
    """A latency, without a decimal where it has four digits."""
    return number(value, 1 if value is None or value < 1000 else 0)


def joules(value: float | None) -> str:
    """Energy of a clip, with as many digits as tell something."""
    return number(value, 3 if value is not None and value < 1 else 1, "J")
