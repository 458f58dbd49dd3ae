"""The films of the embedded demo, drawn frame by frame from a seed.

Every action is played by the same shapes in the same colours, sizes and places, so that one frame alone tells little.
Eight of the ten actions are pairs: a film run backwards is a film of its partner; the two others are their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]

WIDTH, HEIGHT = 320, 240
"""Pixels. The reference's centre crop keeps the middle 240 x 240."""

PARTNERS = {
    "bounce": "bounce",
    "grow": "shrink",
    "move_down": "move_up",
    "move_left": "move_right",
    "move_right": "move_left",
    "move_up": "move_down",
    "rotate_anticlockwise": "rotate_clockwise",
    "rotate_clockwise": "rotate_anticlockwise",
    "shrink": "grow",
    "swing": "swing",
}
"""Each action and what it looks like when the film is run backwards."""

ACTIONS = tuple(sorted(PARTNERS))
"""The class names, in class order."""

OUTLINES: tuple[tuple[tuple[float, float], ...], ...] = (
    ((-1, -0.35), (0.2, -0.35), (0.2, -0.8), (1, 0), (0.2, 0.8), (0.2, 0.35), (-1, 0.35)),  # arrow
    ((-0.8, -1), (-0.1, -1), (-0.1, 0.3), (0.9, 0.3), (0.9, 1), (-0.8, 1)),  # L
    ((-1, -0.7), (1, 0), (-1, 0.7)),  # wedge
    ((-1, -0.4), (1, -0.4), (1, 0.4), (-1, 0.4)),  # bar
    ((-0.3, -1), (0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (-1, 0.3), (-1, -0.3), (-0.3, -0.3)),  # T
    ((0, -1), (0.7, -0.2), (0.5, 0.9), (-0.5, 0.9), (-0.7, -0.2)),  # house
)
"""Corners in units of the radius; none looks the same after a turn of less than 180 degrees."""


class Film(Struct, frozen=True):
    """What decides every pixel of one film; equal films have equal frames."""

    action: str
    part: Literal["training", "validation"]
    number: int
    seed: int


class _Motion(Struct, frozen=True):
    """How the shape moves. Lengths in pixels, times in frames, angles in radians."""

    x: float
    y: float
    radius: float
    angle: float
    speed: float
    turn: float
    period: float
    phase: float
    reach: float


def draw(film: Film, frames: int) -> Iterator[Frame]:
    """The first `frames` frames, each BGR uint8, 240 x 320 x 3; a longer film begins with a shorter one's frames."""
    import cv2
    import numpy as np

    part = ("training", "validation").index(film.part)
    random = np.random.RandomState([film.seed, part, ACTIONS.index(film.action), film.number])
    motion = _motion(random)
    background, colour = _background(random)
    corners = np.array(OUTLINES[random.randint(len(OUTLINES))], np.float64)
    grain = random.normal(0, random.uniform(2, 9), (HEIGHT + 64, WIDTH + 64, 1)).round().astype(np.int16)
    grain = np.repeat(grain, 3, axis=2)
    shake = random.uniform(0, 1.2)
    for time in range(frames):
        x, y, angle, radius = _pose(film.action, motion, float(time))
        x, y = x + random.normal(0, shake), y + random.normal(0, shake)
        frame = background.copy()
        _fill(frame, corners, (x, y, angle, radius), colour)
        top, left = random.randint(64), random.randint(64)
        grained = cv2.add(frame, grain[top : top + HEIGHT, left : left + WIDTH], dtype=cv2.CV_8U)
        yield np.asarray(grained, np.uint8)


def _motion(random: Any) -> _Motion:
    """The same draws for every action, so that place, size and pace do not give it away."""
    return _Motion(
        x=random.uniform(110, 210),
        y=random.uniform(70, 170),
        radius=random.uniform(30, 52),
        angle=random.uniform(0, 2 * math.pi),
        speed=random.uniform(2.0, 6.5),
        turn=math.radians(random.uniform(2.5, 10)),
        period=random.uniform(16, 38),
        phase=random.uniform(0, 1),
        reach=random.uniform(28, 62),
    )


def _pose(action: str, motion: _Motion, time: float) -> tuple[float, float, float, float]:
    """Centre x and y, angle and radius at `time`. Image rows grow downwards, so a growing angle is clockwise."""
    x, y, angle, radius = motion.x, motion.y, motion.angle, motion.radius
    share = motion.phase + time / motion.period
    size = {"grow": share, "shrink": -share}.get(action, motion.phase) % 1.0
    radius *= 2.0 ** (1.4 * size - 0.7)
    if action in ("move_left", "move_right"):
        step = motion.speed * time * (1 if action == "move_right" else -1)
        x = _wrapped(x + step, WIDTH / 2, HEIGHT / 2 + 0.4 * radius)
    elif action in ("move_up", "move_down"):
        step = motion.speed * time * (1 if action == "move_down" else -1)
        y = _wrapped(y + step, HEIGHT / 2, HEIGHT / 2 + 0.4 * radius)
    elif action in ("rotate_clockwise", "rotate_anticlockwise"):
        angle += motion.turn * time * (1 if action == "rotate_clockwise" else -1)
    elif action == "bounce":
        y += motion.reach * (1 - 2 * abs(math.sin(math.pi * share)))
    elif action == "swing":
        x += motion.reach * math.sin(2 * math.pi * share)
    return x, y, angle, radius


def _wrapped(place: float, middle: float, half: float) -> float:
    """`place` brought into `middle` ± `half`: what leaves the picture on one side comes in on the other."""
    return (place - middle + half) % (2 * half) + middle - half


def _fill(image: Frame, corners: Any, pose: tuple[float, float, float, float], colour: tuple[int, ...]) -> None:
    """Fill the outline at the pose, with smooth edges, placed to a sixteenth of a pixel."""
    import cv2
    import numpy as np

    x, y, angle, radius = pose
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    points = corners @ turn * radius + (x, y)
    cv2.fillPoly(image, [np.round(points * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)


def _background(random: Any) -> tuple[Frame, tuple[int, ...]]:
    """A still picture with still shapes in it, and a colour that stands out from it."""
    import cv2
    import numpy as np

    low, high = random.uniform(20, 235, 3), random.uniform(-45, 45, 3)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    kind = random.randint(4)
    slope = random.uniform(0, math.pi)
    across = columns * math.cos(slope) + rows * math.sin(slope)
    if kind == 0:
        weight = across / WIDTH
    elif kind == 1:
        weight = np.sign(np.sin(across * 2 * math.pi / random.uniform(20, 80)))
    elif kind == 2:
        weight = np.sign(np.sin(columns / random.uniform(6, 20))) * np.sign(np.sin(rows / random.uniform(6, 20)))
    else:
        blobs = random.uniform(-1, 1, (random.randint(4, 12), random.randint(4, 12)))
        weight = cv2.resize(blobs, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(low + weight[:, :, None] * high, 0, 255).astype(np.uint8)
    for _ in range(random.randint(3)):
        still = tuple(int(c) for c in np.clip(low + random.uniform(-60, 60, 3), 0, 255))
        corners = np.array(OUTLINES[random.randint(len(OUTLINES))], np.float64)
        pose = random.uniform(40, 280), random.uniform(0, 240), random.uniform(0, 6.3), random.uniform(12, 34)
        _fill(picture, corners, pose, still)
    return picture, _standing_out(low, random)


def _standing_out(colour: Any, random: Any) -> tuple[int, ...]:
    """A random colour whose grey is at least 50 levels from that of `colour`; the best of 40 where none is."""
    import numpy as np

    grey = np.array([0.114, 0.587, 0.299])
    tries = random.uniform(0, 255, (40, 3))
    distance = np.abs(tries @ grey - colour @ grey)
    far = np.flatnonzero(distance >= 50)
    chosen = tries[far[0]] if len(far) else tries[distance.argmax()]
    return tuple(int(c) for c in chosen)
