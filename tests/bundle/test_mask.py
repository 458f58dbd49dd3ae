"""What of a text travels and what does not."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from backends.bundle.mask import Mask, Private, this_machine

WORKSPACE = "/home/mei.lin/工作 'a\"b\\c"
PRIVATE = Private(
    {WORKSPACE: "<workspace>", "/home/mei.lin": "<home>", "/root": "<home>"},
    {"mei.lin": "<user>", "npu7": "<host>"},
    frozenset({"4.11.0.86"}),
)


def masked(text: str) -> str:
    return Mask(PRIVATE).text(text)


@pytest.mark.parametrize(
    "line",
    [
        "password=Hunter2x",
        "password: 'Hunter2x and more'",
        '"db_password": "Hunter2x",',
        "export HF_TOKEN=Hunter2x",
        "--api-key Hunter2x --n 3",
        "AWS_SECRET_ACCESS_KEY = Hunter2x",
        "Authorization: Bearer Hunter2x",
        "curl -H 'Authorization: Basic Hunter2xHunter2x'",
        "Cookie: session_id=Hunter2x",
        "https://mei:Hunter2x@index.example/simple",
        "git+ssh://Hunter2x@host/x",
        "https://store.example/a.pth?X-Amz-Signature=Hunter2x&v=1",
        "pass\x1b[31mword=Hunter2x",
        "pass\u200bword=Hunter2x",
        "ghp_Hunter2xHunter2xHunter2x",
        "hf_Hunter2xHunter2xHunter2x",
        "eyJHunter2xHunter2x.eyJHunter2x.Hunter2x",
        "AKIAHUNTER2XABCDEFGH",
        "-----BEGIN RSA PRIVATE KEY-----\nHunter2x\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nHunter2x",
        "mail Hunter2x@mail.example please",
        "curl -u mei:Hunter2x https://x.example",
        "curl --user='mei:Hunter2x' https://x.example",
        "mysql -u root -pHunter2x db",
        "sshpass -p Hunter2x ssh x",
        "pw: Hunter2x",
        "DB_PW=Hunter2x",
        "密码: Hunter2x",
        "登录密码：Hunter2x",
        "passcode=Hunter2x",
        "PASS=Hunter2x",
        "aws wJalrXUtnFEMI/K7MDENG/Hunter2xAMPLEKEYa1",
        "/data/Hunter2x/videos/a.avi",
        "read /mnt/nas1/Hunter2x/x, then",
        "/data1/home/Hunter2x/x.pth",
        '"/nfs/users/Hunter2x"',
    ],
)
def test_no_secret_passes(line: str) -> None:
    """By name, by option, in an address, by an issuer's shape, in a block, behind an escape."""
    assert "hunter2x" not in masked(line).lower()


def test_long_random_words_are_taken_for_keys() -> None:
    """Hexadecimal of 32 and more, and mixed words; fingerprints and names of videos are left."""
    assert "<secret>" == masked("Zk3pQ9xR7tLm2Vb8Yc5Wd1Nf")
    assert "sha <secret>." == masked("sha da39a3ee5e6b4b0d3255bfef95601890afd80709.")
    for name in (
        "2f731561b0fbc368043f",
        "AmericanGangster_cartwheel_f_cm_np1_le_med_0",
        "50_FIRST_DATES_kick_f_cm_np1_ba_med_20",
        "/data/hmdb51/Frames/Brush_Hair/April_09_brush_hair_u_nm_np1_ba_goo_0/image_00001.jpg",
        "OMP_NUM_THREADS=1",
        "the author: many tokens",
    ):
        assert name == masked(name)


def test_folders_people_and_machines_are_placeholders() -> None:
    """The workspace before the home it lies in; others' homes; whole words only."""
    assert "<workspace>/x in <home>/y" == masked(f"{WORKSPACE}/x in /home/mei.lin/y")
    assert "/home/<user>/z <home>/q /data/root/q /rootfs" == masked("/home/other/z /root/q /data/root/q /rootfs")
    assert "<user>@<host>: <user>_ws npu77 mei.lind" == masked("mei.lin@NPU7: mei.lin_ws npu77 mei.lind")
    assert "ssh <host>, <host>:22" == masked("ssh npu7.lab.example, npu7:22")


@pytest.mark.parametrize("spell", [str, json.dumps, repr, lambda text: json.dumps(text, ensure_ascii=False)])
def test_a_path_is_found_however_it_is_written(spell: object) -> None:
    """As it is, as JSON, as Python prints it."""
    assert callable(spell)
    said = masked(f"reading {spell(WORKSPACE + '/x')}")
    assert "<workspace>" in said
    assert "a" not in said.replace("<workspace>", "").replace("reading", "")


def test_addresses_and_serials_are_placeholders() -> None:
    """IPv4, IPv6, MAC, the serials that npu-smi prints; loopback, bus ids, times and pinned versions are left."""
    assert "http://<ip>:80 <ip> <ip>" == masked("http://10.1.2.3:80 fe80::1 2001:db8:0:0:0:0:0:5")
    assert "host=<ip> <ip>-<ip> (<ip>), <ip>:" == masked("host=10.0.0.5 10.0.0.1-10.0.0.9 (10.1.1.1), fe80::1:")
    assert "<mac> <mac>: up" == masked("00:1a:2b:3c:4d:5e 00-1A-2B-3C-4D-5E: up")
    assert "id <secret>" == masked("id 550e8400-e29b-41d4-a716-446655440000")
    board = "\tSerial Number                  : 033EFS10N9002\n\tVDie ID                        : 3B0C 11 22\n"
    assert "\tSerial Number                  : <serial>\n\tVDie ID                        : <serial>\n" == masked(board)
    for text in (
        "127.0.0.1",
        "0000:82:00.0",
        "12:34:56",
        "opencv==5.0.0.93",
        "cv2: 4.11.0.86",
        "std::string",
        "24.1.rc2",
    ):
        assert text == masked(text)


def test_json_is_masked_by_value_and_by_key() -> None:
    """Numbers and keys stay; what a key calls a secret or a host goes, at any depth."""
    mask = Mask(PRIVATE)
    text = json.dumps(
        {
            "path": f"{WORKSPACE}/a",
            "n": [1, None, "mei.lin"],
            "x": {"hf_token": "t", "host": "other"},
            "digest": "ab" * 32,
        }
    )
    assert {
        "path": "<workspace>/a",
        "n": [1, None, "<user>"],
        "x": {"hf_token": "<secret>", "host": "<host>"},
        "digest": "ab" * 32,
    } == json.loads(mask.document(text))
    assert {"<workspace>": 1, "<user>": 1, "<secret>": 1, "<host>": 1} == dict(mask.counts)
    assert '{"token=<secret>' == mask.document('{"token=abc')


def test_this_machine_knows_who_we_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home, workspace and its real path, user and host; names that tell nobody apart are no names."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setenv("HOME", "/home/xu")
    monkeypatch.setenv("USER", "xu")
    monkeypatch.setenv("LOGNAME", "root")
    monkeypatch.setattr("socket.gethostname", lambda: "npu7.lab.example")
    found = this_machine(tmp_path / "link")
    assert {str(tmp_path / "link"), str(tmp_path / "real"), "/home/xu"} <= set(found.paths)
    assert {"xu": "<user>", "npu7.lab.example": "<host>", "npu7": "<host>"} == {
        name: put for name, put in found.names.items() if name in ("xu", "root") or put == "<host>"
    }


@pytest.mark.parametrize(
    "hostile", ["a", "a.", "-", "-a", "a://", "a@", "token=", "token ", "-token ", "token='", "serial:", "0:", "\x1b]"]
)
def test_no_line_takes_for_ever(hostile: str) -> None:
    """100,000 characters of what patterns like least."""
    mask, began = Mask(PRIVATE), time.process_time()
    mask.text(hostile * (100_000 // len(hostile)))
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "line",
    [
        "ffmpeg -pix_fmt yuv420p -preset fast -profile:v main",
        "ssh -p 2222 x",
        "passed: 3, bypass: true",
        "/data/hmdb51/frames/wave/a.jpg",
        "/mnt/datasets/ucf101/videos/x.avi",
    ],
)
def test_what_only_looks_like_a_secret_stays(line: str) -> None:
    """Options that begin like `-pPASSWORD`, words around `pass`, folders that everybody has."""
    assert line == masked(line)
