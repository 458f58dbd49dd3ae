"""Words for people: the console's own by key, messages by their English text. Whoever draws or prints asks `Words`.

A language is one file, `r3d_tui/locale/LANGUAGE/LC_MESSAGES/r3d_tui.po`, read as it is; what it does not translate
shows in English.
"""

import functools
import json
import locale
import os
import re
from collections.abc import Mapping
from pathlib import Path

from backends.core.messages import Fact, Line, Scalar, fill, joined
from r3d_tui.text.rows import safe

FILES = {path.parts[-3]: path for path in Path(__file__).parents[1].glob("locale/*/LC_MESSAGES/r3d_tui.po")}
LANGUAGES = ("en", *sorted(FILES.keys() - {"en"}))
_ENTRY = re.compile(r'^(#,.*fuzzy.*\n)?msgid ((?:".*"\n)+)msgstr ((?:".*"(?:\n|\Z))+)', re.MULTILINE)


@functools.cache
def read(language: str) -> Mapping[str, str]:
    """The texts of a language by msgid, but for those that nobody translated or that are marked fuzzy."""
    entries = _ENTRY.findall(FILES[language].read_text(encoding="utf-8"))
    return {
        _text(msgid): _text(msgstr)
        for fuzzy, msgid, msgstr in entries
        if not fuzzy and msgid != '""\n' and _text(msgstr)
    }


def _text(quoted: str) -> str:
    text = "".join(part[1:-1] for part in quoted.splitlines())
    return str(json.loads(f'"{text}"')) if "\\" in text else text


class Words:
    """One language: `words("panel.log")` for the console's own words, `words.line(line)` for a message."""

    def __init__(self, language: str = "en") -> None:
        self.language = language if language in LANGUAGES else "en"
        self._texts = {**read("en"), **read(self.language)}

    def __call__(self, key: str, /, **facts: Fact) -> str:
        """A word or sentence of the console. An unknown key shows as itself: a fault to see, not to crash on."""
        return self.line(Line(key, facts)) if facts else self._texts.get(key, key)

    def get(self, key: str, default: str) -> str:
        """The same, or `default` where there is none (a stage that this version does not know)."""
        return self._texts.get(key) or safe(default)

    def line(self, line: Line) -> str:
        """A message in this language, harmless for a terminal."""
        facts = {name: joined(fact, functools.partial(self._worded, name)) for name, fact in line.facts.items()}
        return safe(fill(self._texts.get(line.template, line.template), facts))

    def _worded(self, name: str, fact: Scalar | Line) -> Scalar:
        if isinstance(fact, Line):
            return self.line(fact)
        return self._texts.get(f"stage.{fact}", fact) if name in ("stage", "stages") else fact

    @property
    def other(self) -> str:
        return LANGUAGES[(LANGUAGES.index(self.language) + 1) % len(LANGUAGES)]


def chosen(asked: str | None = None) -> str:
    """The language asked for ("zh", "zh_CN", "zh-Hans"), else the locale's, else English."""
    wanted = (asked, *map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG")), locale.getlocale()[0])
    found = re.split(r"[-_.@]", next(filter(None, wanted), "en").lower())[0]
    return found if found in LANGUAGES else "en"


def speakable(language: str, encoding: str) -> str:
    """The language, or English where the terminal's encoding cannot write the language's own name."""
    try:
        read(language)["language"].encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "en"
    return language
