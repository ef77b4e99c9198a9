"""The last word of a rank, as the contract has it."""

import json
from pathlib import Path

import pytest
from efficientnet_trainer import termination

CONTRACT = Path(__file__).resolve().parents[2] / "contract"
GOLDEN = sorted(CONTRACT.glob("termination-*.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=[path.stem for path in GOLDEN])
def test_golden_messages_survive_the_model(path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    word = termination.Termination.model_validate(golden)
    assert word.reason == termination.reason_of(word.exit_code)
    assert json.loads(termination.encode(word).decode()) == golden


REASONS = {0: "Completed", 2: "BadConfiguration", 3: "BadData", 75: "Transient", 143: "Stopped"}


@pytest.mark.parametrize("code", [0, 1, 2, 3, 75, 137, 139, 143])
def test_reasons(code):
    assert termination.reason_of(code) == REASONS.get(code, "Error")


LONG = {
    "plain": "x" * 10000,
    "two bytes each": "ü" * 5000,
    "four bytes each": "\U0001f600" * 5000,
    "escaped": '"\\\n' * 5000,
    "control characters": "\x01" * 5000,
    "lone surrogates": "\udc80" * 5000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_message_is_cut_to_what_a_kubelet_keeps(text):
    encoded = termination.encode(termination.failure(1, text, rank=3, step=7))
    assert 3500 < len(encoded) <= 4096
    decoded = json.loads(encoded.decode())
    assert decoded["message"].endswith("…")
    assert (decoded["rank"], decoded["step"], decoded["exitCode"]) == (3, 7, 1)


def test_a_rank_leaves_its_word_for_the_launcher(tmp_path):
    assert termination.read_exit_report(str(tmp_path), 4) is None
    word = termination.failure(75, "lost another rank", rank=4, step=12)
    path = termination.exit_report_path(str(tmp_path), 4)
    termination.write_whole(path, termination.encode(word))
    assert termination.read_exit_report(str(tmp_path), 4) == word
