"""Which chips the device plugin's report calls unfit to train on."""

import json
from datetime import UTC, datetime

import pytest
from ascend_sim.annotations import build_health_data
from efficientnet_operator.core.chip_health import ChipFault, ChipReport, parse_chip_report
from hypothesis import given
from hypothesis import strategies as st

R = "huawei.com/Ascend910"
NAME = "mindx-dl-deviceinfo-n1"


def a_map(name=NAME, updated=1, **devices):
    info = {"DeviceList": {f"{R}-{k}": v for k, v in devices.items()}, "UpdateTime": updated}
    data = {"DeviceInfoCfg": json.dumps({"DeviceInfo": info, "CheckCode": "0"})}
    return {"metadata": {"name": name}, "data": data}


def faults(*entries):
    return json.dumps(
        [
            {"fault_type": kind, "npu_name": npu, "fault_level": level, "fault_code": code}
            for kind, npu, level, code in entries
        ]
    )


CHIP, NET = "CardUnhealthy", "CardNetworkUnhealthy"


def one(level, listed=True):
    told = faults((CHIP, "Ascend910-3", level, "80E01801"))
    return a_map(Unhealthy="Ascend910-3" if listed else "", Fault=told)


def found(level):
    return (ChipFault(3, False, level, "80E01801"),)


REPORTS = {
    "all are well": (a_map(Unhealthy="", NetworkUnhealthy="", Fault="[]"), ()),
    "a chip that is only listed": (a_map(Unhealthy="Ascend910-3"), (ChipFault(3),)),
    "several": (
        a_map(Unhealthy="Ascend910-3,Ascend910-1"),
        (ChipFault(1), ChipFault(3)),
    ),
    "restart the request": (one("RestartRequest"), found("RestartRequest")),
    "restart the business": (one("RestartBusiness"), found("RestartBusiness")),
    "restart the chip": (one("RestartNPU"), found("RestartNPU")),
    "separate it": (one("SeparateNPU"), found("SeparateNPU")),
    "separated by hand": (one("ManuallySeparateNPU"), found("ManuallySeparateNPU")),
    "separate it, though it is not listed yet": (one("SeparateNPU", False), found("SeparateNPU")),
    "restart it when it is free": (one("FreeRestartNPU"), found("FreeRestartNPU")),
    "restart it when it is free, and it is left in use": (one("FreeRestartNPU", False), ()),
    "nothing to be done": (one("NotHandleFault"), ()),
    "slower": (one("SubHealthFault"), ()),
    "listed because nothing new shall go there": (one("PreSeparateNPU"), ()),
    "a level that nobody knows, of a listed chip": (one("Melting"), found("Melting")),
    "a level that nobody knows, of one in use": (one("Melting", False), ()),
    "the worst of several faults counts": (
        a_map(
            Unhealthy="Ascend910-3",
            Fault=faults(
                (CHIP, "Ascend910-3", "PreSeparateNPU", "1"),
                (CHIP, "Ascend910-3", "SeparateNPU", "2"),
            ),
        ),
        (ChipFault(3, False, "SeparateNPU", "2"),),
    ),
    "a link that is down, which the vendor takes lightly": (
        a_map(
            NetworkUnhealthy="Ascend910-3",
            Fault=faults((NET, "Ascend910-3", "PreSeparateNPU", "81078603")),
        ),
        (),
    ),
    "a link that has to be separated": (
        a_map(
            NetworkUnhealthy="Ascend910-3", Fault=faults((NET, "Ascend910-3", "SeparateNPU", "8"))
        ),
        (ChipFault(3, True, "SeparateNPU", "8"),),
    ),
    "the chip's mild fault does not excuse its link": (
        a_map(
            Unhealthy="Ascend910-3",
            NetworkUnhealthy="Ascend910-3",
            Fault=faults((CHIP, "Ascend910-3", "NotHandleFault", "1")),
        ),
        (ChipFault(3, True),),
    ),
    "a fault of the whole node names no chip": (
        a_map(Fault=faults(("NodeUnhealthy", "", "", ""))),
        (),
    ),
    "virtual chips are none of ours": (a_map(Unhealthy="Ascend910-2c-100-3,Ascend310-1"), ()),
    "a list in place of its string": (
        a_map(
            Fault=[{"fault_type": CHIP, "npu_name": "Ascend910-3", "fault_level": "RestartNPU"}]
        ),
        (ChipFault(3, False, "RestartNPU"),),
    ),
    "the key that the vendor recommends wins": (
        a_map(
            Unhealthy="Ascend910-3",
            Fault=json.dumps(
                [
                    {
                        "fault_type": CHIP,
                        "npu_name": "Ascend910-3",
                        "fault_level": "PreSeparateNPU",
                        "fault_handling": "SeparateNPU",
                    }
                ]
            ),
        ),
        (ChipFault(3, False, "SeparateNPU"),),
    ),
}


@pytest.mark.parametrize("config_map, want", REPORTS.values(), ids=REPORTS)
def test_parse_chip_report(config_map, want):
    node, report = parse_chip_report(config_map)
    assert node == "n1"
    assert (report.faults if report else ()) == want


def test_the_simulated_plugin_writes_what_is_read():
    data = build_health_data(frozenset({2}), 1735732800)
    _, report = parse_chip_report({"metadata": {"name": NAME}, "data": data})
    assert report.faults == (ChipFault(2, False, "SeparateNPU", "80E01801"),)
    assert report.updated_at == datetime(2025, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("updated", [None, 0, -1, "1", True, 1.5, 10**30])
def test_a_time_that_cannot_be_read_is_none(updated):
    _, report = parse_chip_report(a_map(updated=updated, Unhealthy="Ascend910-3"))
    assert report.updated_at is None


def test_a_later_report_of_the_same_faults_is_no_news():
    reports = [parse_chip_report(a_map(updated=t, Unhealthy="Ascend910-3"))[1] for t in (1, 9)]
    assert reports[0] == reports[1]


NO_REPORTS = {
    "another ConfigMap of that label": {"metadata": {"name": "mindx-dl-nodeinfo-n1"}},
    "an object without a name": {},
}


@pytest.mark.parametrize("config_map", NO_REPORTS.values(), ids=NO_REPORTS)
def test_what_is_no_report_names_no_node(config_map):
    assert parse_chip_report(config_map) == ("", None)


WORDS = {
    "listed": (ChipFault(3), "the device plugin reports the chip as unhealthy"),
    "with level and code": (
        ChipFault(3, False, "SeparateNPU", "80E01801"),
        "the device plugin reports the chip as unhealthy, level SeparateNPU, fault code 80E01801",
    ),
    "its network": (
        ChipFault(3, True),
        "the device plugin reports the chip's network as unhealthy",
    ),
}


@pytest.mark.parametrize("fault, want", WORDS.values(), ids=WORDS)
def test_a_fault_is_told(fault, want):
    assert fault.describe() == want


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ANYTHING = st.recursive(
    SCALARS | st.sampled_from(["Ascend910-3", "SeparateNPU", CHIP, "[" * 5000]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "DeviceInfo",
                    "DeviceList",
                    "UpdateTime",
                    f"{R}-Unhealthy",
                    f"{R}-NetworkUnhealthy",
                    f"{R}-Fault",
                    "fault_type",
                    "npu_name",
                    "fault_level",
                    "fault_handling",
                    "fault_code",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(content=ANYTHING, text=st.none() | st.text())
def test_any_content_makes_a_report_or_none(content, text):
    data = {"DeviceInfoCfg": json.dumps(content) if text is None else text}
    node, report = parse_chip_report({"metadata": {"name": NAME}, "data": data})
    assert node == "n1"
    assert report is None or (isinstance(report, ChipReport) and report.faults)


@given(devices=ANYTHING)
def test_any_list_of_devices_makes_a_report_or_none(devices):
    content = {"DeviceInfo": {"DeviceList": devices}}
    config_map = {"metadata": {"name": NAME}, "data": {"DeviceInfoCfg": json.dumps(content)}}
    _, report = parse_chip_report(config_map)
    for fault in report.faults if report else ():
        assert (type(fault.device_id), type(fault.level), type(fault.code)) == (int, str, str)
