"""Archives and bills of materials without who, when and in which order."""

import gzip
import io
import json
import tarfile

import pytest
from release.archives import list_sums, repack, settle_bill

MOMENT = 1_790_000_000
FILES = {"c/values.yaml": (b"a: 1\n", 0o600), "c/Chart.yaml": (b"name: c\n", 0o755)}


def pack(names, mtime, uid):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in names:
            data, mode = FILES[name]
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime, info.uid = len(data), mode, mtime, uid
            info.uname = f"user{uid}"
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def test_the_same_files_give_the_same_bytes():
    one = repack(pack(list(FILES), 5, 0), MOMENT)
    other = repack(pack(list(reversed(FILES)), 99, 1000), MOMENT)
    assert one == other
    assert repack(one, MOMENT) == one
    assert repack(one, MOMENT + 1) != one


def test_files_keep_their_content_and_get_plain_heads():
    with tarfile.open(fileobj=io.BytesIO(repack(pack(list(FILES), 5, 7), MOMENT))) as archive:
        members = archive.getmembers()
        found = {m.name: archive.extractfile(m).read() for m in members}
    assert found == {name: data for name, (data, _) in FILES.items()}
    assert [m.name for m in members] == sorted(FILES)
    assert {(m.mtime, m.uid, m.uname) for m in members} == {(MOMENT, 0, "")}
    assert [m.mode for m in members] == [0o755, 0o644]


def test_an_archive_that_is_cut_off_is_no_release():
    with pytest.raises((EOFError, gzip.BadGzipFile, tarfile.ReadError)):
        repack(pack(list(FILES), 5, 0)[:-20], MOMENT)


BILL = {"components": [{"name": "aiohttp", "version": "3"}], "metadata": {"tools": []}}


def test_a_bill_says_when_the_commit_was_made_and_has_a_number_of_its_content():
    one, other, changed = (
        json.loads(settle_bill(json.dumps({**BILL, **extra}), MOMENT))
        for extra in (
            {"serialNumber": "urn:uuid:1"},
            {"serialNumber": "urn:uuid:2"},
            {"components": []},
        )
    )
    assert one == other
    assert one["metadata"] == {"tools": [], "timestamp": "2026-09-21T14:13:20Z"}
    assert one["serialNumber"].startswith("urn:uuid:")
    assert one["serialNumber"] != changed["serialNumber"]


def test_sums_are_those_of_sha256sum(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).write_bytes(b"")
    # pragma: allowlist nextline secret
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert list_sums([tmp_path / "b", tmp_path / "a"]) == f"{empty}  a\n{empty}  b\n"
