"""Which pods are asked for their progress, read from the published peers."""

import json

import pytest
from efficientnet_operator.kube.polling import find_pods, find_rank_0

PEERS = json.dumps(
    [
        {"rank": 0, "pod": "b0-1-1", "podIP": "10.0.0.7", "port": 2222},
        {"rank": 1, "pod": "b0-1-1", "podIP": "10.0.0.7", "port": 2223},
        {"rank": 2, "pod": "b0-1-0", "podIP": "fd00::8", "port": 2222},
    ]
)


def test_rank_0_is_the_first_peer():
    assert find_rank_0(PEERS) == ("b0-1-1", "10.0.0.7")


def test_a_pod_of_several_ranks_is_asked_once():
    assert find_pods(PEERS) == {"b0-1-1": "10.0.0.7", "b0-1-0": "fd00::8"}


@pytest.mark.parametrize("peers", ["", "[]", "no JSON", '[{"rank": 0}]', '[{"podIP": ""}]', "[1]"])
def test_files_without_peers_name_nobody(peers):
    assert find_rank_0(peers) is None
    assert find_pods(peers) == {}
