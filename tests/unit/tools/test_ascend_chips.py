"""Which chips the simulated plugin hands out, and what they are called."""

from ipaddress import IPv4Address

import pytest
from ascend_sim.chips import CHIPS, chip_id, choose_chips, device_ip, device_name

ALL = set(CHIPS)

# available, required, count, scattered -> chosen
CHOICES = {
    "one chip: the lowest free id": (ALL - {0, 1}, [], 1, False, [2]),
    "two chips lie in one ring": (ALL, [], 2, False, [0, 1]),
    "a ring that is too full is passed over": (ALL - {0, 1, 2}, [], 2, False, [4, 5]),
    "without a ring that fits, the lowest ids": ({3, 4, 6}, [], 3, False, [3, 4, 6]),
    "four chips are one whole ring": (ALL - {1}, [], 4, False, [4, 5, 6, 7]),
    "all eight": (ALL, [], 8, False, [0, 1, 2, 3, 4, 5, 6, 7]),
    "a required chip draws the others into its ring": (ALL, [6], 2, False, [4, 6]),
    "required chips of both rings stay": (ALL, [3, 4], 3, False, [0, 3, 4]),
    "required chips alone": (ALL, [5], 1, False, [5]),
    "scattered: rings in turn": (ALL, [], 2, True, [0, 4]),
    "scattered: four over two rings": (ALL, [], 4, True, [0, 1, 4, 5]),
    "scattered: with what is left": ({1, 2, 7}, [], 2, True, [1, 2]),
}


@pytest.mark.parametrize(
    ("available", "required", "count", "scattered", "want"), CHOICES.values(), ids=CHOICES
)
def test_choose_chips(available, required, count, scattered, want):
    assert choose_chips(available, required, count, scattered=scattered) == want


def test_names_and_ids_are_each_others_inverse():
    assert [chip_id(device_name(chip)) for chip in CHIPS] == list(CHIPS)


@pytest.mark.parametrize("name", ["Ascend910-8", "Ascend310-1", "Ascend910--1", "3"])
def test_a_foreign_device_name_is_refused(name):
    with pytest.raises(ValueError):
        chip_id(name)


def test_addresses_differ_between_chips_and_between_hosts():
    hosts = [IPv4Address("10.200.0.10"), IPv4Address("10.200.0.11")]
    addresses = {device_ip(host, chip) for host in hosts for chip in CHIPS}
    assert len(addresses) == 16
    assert device_ip(hosts[1], 3) == "192.168.103.11"
