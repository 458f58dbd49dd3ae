"""What the check stage is: a name, params, and how the plan's needs reach it. It imports none of its work."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from backends.core.codec import encode
from backends.core.needs import Need
from backends.core.plan import Stage, StageSpec
from backends.core.settings import Settings


class StageNeeds(Struct, frozen=True):
    """What one stage of the plan cannot work without."""

    stage: str
    needs: tuple[Need, ...]


class CheckParams(Struct, frozen=True):
    """The settings, and the needs of the stages that apply under them."""

    settings: Settings
    stages: tuple[StageNeeds, ...] = ()


def stage_needs(stages: Iterable[Stage]) -> tuple[StageNeeds, ...]:
    """The needs of those of `stages` that are not skipped."""
    return tuple(StageNeeds(stage.name, stage.needs) for stage in stages if stage.skip is None and stage.needs)


def with_needs(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The plan's stages with what the others need in the check stage's params."""
    needed = encode(stage_needs(stages))
    return tuple(
        replace(stage, params={**stage.params, "stages": needed}) if stage.name == CHECK.name else stage
        for stage in stages
    )


def _check(settings: Settings) -> Stage:
    return Stage(
        name="check",
        entry="backends.checks.check_stage:run",
        version=1,
        params={"settings": encode(settings)},
        fresh=True,
    )


CHECK = StageSpec("check", {}, _check)
