"""Bring a language's `.po` file up to date with the source: `python -m tools.translations zh`.

Makes the file where the language is new. What is not translated yet gets an empty entry (it shows in English), what the
source has lost goes; keys stand in the order of the English file, sentences sorted, so that two people's entries seldom
meet. Prints what is to be translated.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from r3d_tui.lang.words import read
from tests.marked_messages import ROOT, sentences

HEADER = """msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"""


def main(language: str) -> None:
    """Write the file anew."""
    path = ROOT / "r3d_tui" / "locale" / language / "LC_MESSAGES" / "r3d_tui.po"
    known = read(language) if path.exists() else {}
    keys = list(read("en"))
    asked = (
        keys
        if language == "en"
        else [*keys, *sorted(sentences() - set(keys), key=lambda text: (text.casefold(), text))]
    )
    entries = [f"msgid {_quoted(msgid)}\nmsgstr {_quoted(known.get(msgid, ''))}\n" for msgid in asked]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER.format(language=language), *entries]), encoding="utf-8")
    print(*(f"to translate: {msgid}" for msgid in asked if msgid not in known), sep="\n")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    if len(sys.argv) != 2 or not sys.argv[1].isalpha():
        sys.exit("usage: python -m tools.translations LANGUAGE")
    main(sys.argv[1])
