"""Text without what is private: who, where and with which keys. Pure but for `this_machine`; it knows no file.

In doubt it masks: a masked version number costs a question, a token that travels cannot be called back. What it cannot
know is a secret without a shape (a word for a password in plain prose), or a name of a person in a file name.
"""

import contextlib
import ipaddress
import itertools
import json
import os
import pwd
import re
import socket
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from msgspec import Struct

COMMON = frozenset({"", "root", "user", "admin", "ubuntu", "debian", "nobody", "localhost", "localhost.localdomain"})
"""Names that tell nobody apart."""
_TELLING = (
    r"(?:pass(?:word|wd|phrase|code)|(?<![a-z])pass(?![a-z])|pwd|(?<![a-z])pw(?![a-z])|secret|token|api[_-]?key|access[_-]?key"
    r"|private[_-]?key|authorization|auth(?![a-z])|credential|cookie|session[_-]?id|signature|\bsig(?![a-z])"
    r"|密码|口令|密钥|令牌)"
)
_QUOTED = r"\"[^\"\n]*\"|'[^'\n]*'"
_KEYS = re.compile(_TELLING, re.IGNORECASE)
_DIGEST = re.compile(r"[0-9a-f]{20,64}")
"""Under the key of that name: what decides whether a stage runs again, and no key to anything."""
_PLACES = frozenset({"host", "hostname", "node"})
"""Keys of JSON whose value is a machine's name, perhaps of another one."""

_UNSEEN = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]"
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
"""Escapes, controls and what has no width: they would hide a secret from the patterns, and obey nobody's wish."""

_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_IN_URL = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/\"'<>]*@", re.IGNORECASE)
_ASSIGNED = re.compile(
    rf"(?P<name>{_TELLING}[\w.-]{{0,40}}[\"']?\s{{0,8}}(?:=>|[:=：])\s{{0,8}})"
    rf"(?P<value>{_QUOTED}|(?:bearer|basic|token|digest)\s+\S+|[^\s,;&\"'<]+)",
    re.IGNORECASE,
)
_OPTION = re.compile(
    rf"(?P<name>(?<![\w-])--?[\w-]{{0,40}}?{_TELLING}[\w-]{{0,40}}[ \t]+)(?P<value>{_QUOTED}|[^\s\"'<]+)",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"(?P<name>(?<![\w-])(?:-[uU]|--(?:proxy-)?user)[ \t=]*[\"']?)(?P<value>[^\s:\"'/]+:[^\s\"']+)")
"""`curl -u user:password`."""
_ATTACHED = re.compile(
    r"(?P<name>(?<![\w-])-p(?!(?:ix_fmt|reset|rofile|ort|arallel|ath|refix|rint|ython|rogress|attern|rune|ass)\b)"
    r"|\bsshpass[ \t]+-p[ \t]+)(?P<value>[^\s<-][^\s<]*)"
)
"""`mysql -pPASSWORD`; what is known to begin so otherwise stays."""
_BEARER = re.compile(r"(?P<name>\b(?:bearer|basic)[ \t]+)(?P<value>[A-Za-z0-9+/_.=-]{8,})", re.IGNORECASE)
_ISSUED = re.compile(
    r"\b(?:gh[opusr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{12,}|hf_\w{12,}|sk-[\w-]{12,}|xox[abprs]-[\w-]{8,}"
    r"|A(?:KIA|SIA)[0-9A-Z]{12,}|AIza[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?|npm_\w{16,}|pypi-[\w-]{16,}"
    r"|ya29\.[\w-]{8,}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})"
)
"""Tokens whose issuers gave them a shape, UUIDs among them."""
_WITH_SLASHES = re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
"""What may be a secret of AWS."""
_LONG = re.compile(r"[A-Za-z0-9_+/=-]{24,}")
"""Words that may be keys, or lines of one that begins elsewhere."""
_SERIAL = re.compile(
    r"(?P<name>(?:serial(?:[ _-]?(?:number|num|no)\b\.?)?|\bs/?n\b|\bv?die[ _-]?id|\buuid)[\"']?[ \t]*[:=|][ \t]*)"
    r"(?P<value>[^\n|,]*[^\s|,])",
    re.IGNORECASE,
)
_MAC = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4,18}(?![0-9A-Fa-f])")
_IPV4 = re.compile(r"(?<![\d.])(?<!==)(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_HOMES = re.compile(r"(/(?:homes?|users?)/)(?!<)[^/\s\"'`:,;)\]}]+", re.IGNORECASE)
_DISK = r"(?:data|mnt|media|scratch|nas|nfs|shared?|storage|export|work|ssd|nvme|disk)[\d_-]*"
_SHARED = re.compile(
    rf"((?:^|(?<=[\s\"'`=:(\[,]))(?:/{_DISK})+/)"
    rf"(?!(?:{_DISK}|(?:datasets?|videos?|frames|models?|public|projects?|tmp|hmdb|ucf|kinetics|homes?|users?|root)[\w-]*)/)"
    r"[^/\s\"'`:,;)\]}<]+(?=/)"
)
"""A disk of many: its folders are named after people, but for those that everybody has."""


class Private(Struct, frozen=True):
    """What tells this person and this machine apart."""

    paths: Mapping[str, str]
    """Folder to placeholder."""
    names: Mapping[str, str]
    """Name to placeholder."""
    versions: frozenset[str] = frozenset()
    """Of packages, which look like addresses and are none."""


def this_machine(workspace: Path | None) -> Private:
    """Who and where we are: home, workspace, user and host by all the names they go by."""
    paths, names = {}, {}
    if workspace is not None:
        paths = {str(place): "<workspace>" for place in (workspace.absolute(), workspace.resolve())}
    homes = [os.environ.get("HOME", "")]
    users = [os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER")]
    with contextlib.suppress(KeyError):  # a uid that no file knows, as in a container
        entry = pwd.getpwuid(os.getuid())
        users += [entry.pw_name, entry.pw_gecos.partition(",")[0]]
        homes.append(entry.pw_dir)
    paths.update({home.rstrip("/"): "<home>" for home in homes if home.rstrip("/")})
    names.update(dict.fromkeys(users, "<user>"))
    host = socket.gethostname()
    names.update(dict.fromkeys((host, host.partition(".")[0]), "<host>"))
    told = {name: put for name, put in names.items() if name.lower() not in COMMON and len(name) > 1}
    return Private(paths, told, frozenset(dist.version for dist in metadata.distributions()))


class Mask:
    """Masks texts and JSON values, and counts what it masked by placeholder."""

    def __init__(self, private: Private) -> None:
        self.counts: Counter[str] = Counter()
        self._versions = private.versions
        self._spelt = {
            spelling: put
            for path, put in sorted(private.paths.items(), key=lambda pair: -len(pair[0]))
            for spelling in _spellings(path)
        }
        self._paths = _any_of(self._spelt, _path_pattern)
        self._named = {name.lower(): put for name, put in private.names.items()}
        self._names = _any_of(self._named, self._name_pattern)

    def text(self, text: str) -> str:
        """The text with placeholders, and without escapes and controls."""
        text = _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
        text = _KEY_BLOCK.sub(self._put("<secret>"), text)
        text = _IN_URL.sub(lambda found: f"{found[1]}{self._put('<secret>')(found)}@", text)
        for pattern in (_LOGIN, _ASSIGNED, _OPTION, _ATTACHED, _BEARER):
            text = pattern.sub(self._valued("<secret>"), text)
        text = _ISSUED.sub(self._put("<secret>"), text)
        text = _EMAIL.sub(self._put("<email>"), text)
        text = self._paths.sub(lambda found: self._put(self._spelt[found[0]])(found), text)
        for pattern in (_HOMES, _SHARED):
            text = pattern.sub(lambda found: f"{found[1]}{self._put('<user>')(found)}", text)
        text = _SERIAL.sub(self._valued("<serial>"), text)
        text = _MAC.sub(self._put("<mac>"), text)
        text = _IPV4.sub(self._address, text)
        text = _IPV6.sub(self._address, text)
        text = self._names.sub(lambda found: self._put(self._named.get(found[0].lower(), "<host>"))(found), text)
        text = _WITH_SLASHES.sub(lambda found: self._random(found, 0.25), text)
        return _LONG.sub(self._random, text)

    def value(self, value: Any, key: str = "") -> Any:
        """The same for what JSON holds: strings wherever they stand, and whatever a key calls a secret."""
        if isinstance(value, str):
            if value and _KEYS.search(key):
                return self._put("<secret>")(None)
            if value and key in _PLACES:
                return self._put("<host>")(None)
            return value if key == "digest" and _DIGEST.fullmatch(value) else self.text(value)
        if isinstance(value, Mapping):
            return {self._key(str(name)): self.value(each, str(name)) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each, key) for each in value]
        return value

    def document(self, text: str) -> str:
        """A JSON text masked value by value, so that no spelling of a path escapes; a text that is not JSON."""
        try:
            value = json.loads(text)
        except ValueError:
            return self.text(text)
        return json.dumps(self.value(value), ensure_ascii=False)

    def _name_pattern(self, name: str) -> str:
        """A whole word; a machine's name with its domain."""
        domain = r"(?:\.[A-Za-z0-9-]{1,63}){0,8}" if self._named[name] == "<host>" else ""
        return rf"(?<![A-Za-z0-9]){re.escape(name)}{domain}(?![A-Za-z0-9])"

    def _key(self, name: str) -> str:
        return name if name.isidentifier() else self.text(name)

    def _put(self, placeholder: str) -> Callable[[re.Match[str] | None], str]:
        def put(_: re.Match[str] | None) -> str:
            self.counts[placeholder] += 1
            return placeholder

        return put

    def _valued(self, placeholder: str) -> Callable[[re.Match[str]], str]:
        return lambda found: f"{found['name']}{self._put(placeholder)(found)}"

    def _address(self, found: re.Match[str]) -> str:
        for text in (found[0], found[0][:-1]):  # a colon behind it is none of it
            with contextlib.suppress(ValueError):
                address = ipaddress.ip_address(text)
                if address.is_loopback or address.is_unspecified or text in self._versions:
                    break
                return self._put("<ip>")(found) + found[0][len(text) :]
        return found[0]

    def _random(self, found: re.Match[str], turns: float = 0.35) -> str:
        return self._put("<secret>")(found) if _looks_random(found[0], turns) else found[0]


def _looks_random(word: str, least: float) -> bool:
    """Long hexadecimal, or capitals, small letters and digits in turn; names of videos are words with few turns.

    `least` turns a letter.
    """
    if re.fullmatch(r"[0-9a-f]{32,}|[0-9A-F]{32,}", word):
        return True
    kinds = list(_kinds(word))
    turns = sum(one != other for one, other in itertools.pairwise(kinds))
    return len(set(kinds)) == 3 and turns >= least * len(word)


def _kinds(word: str) -> Iterator[str]:
    for char in word:
        if char.isalnum():
            yield "0" if char.isdigit() else "A" if char.isupper() else "a"


def _spellings(path: str) -> set[str]:
    """A path as logs, JSON, Python and addresses write it."""
    plain = {path, json.dumps(path)[1:-1], json.dumps(path, ensure_ascii=False)[1:-1], repr(path)[1:-1]}
    return {*plain, urllib.parse.quote(path, errors="replace"), _UNSEEN.sub("", path)}


def _path_pattern(path: str) -> str:
    """A long path wherever it stands; a short one such as /root only where it begins and ends as one."""
    before = "" if len(path) >= 8 else r"(?<![\w.-])"
    return rf"{before}{re.escape(path)}(?![\w-])"


def _any_of(words: Mapping[str, str], pattern: Callable[[str], str]) -> re.Pattern[str]:
    longest = sorted(words, key=len, reverse=True)
    return re.compile("|".join(map(pattern, longest)) or r"(?!)", re.IGNORECASE if pattern is not _path_pattern else 0)
