"""The command line: run the operator, print its CRD, explain a job, make a rank table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import get_args

from efficientnet_operator.api.names import PLURAL, SHORT_NAMES, SINGULAR
from efficientnet_operator.logs import LogFormat
from efficientnet_operator.settings import Settings, UiAccess

JOB_WORDS = {"job", SINGULAR, PLURAL, *SHORT_NAMES}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 done, 1 a problem, 2 wrong usage."""
    arguments = build_parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
    except (OSError, ValueError) as error:
        print(f"efficientnet-operator: {error}", file=sys.stderr)
        return 1
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog="efficientnet-operator", description=__doc__)
    parser.add_argument("--version", action="version", version=version("efficientnet-operator"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    crd = commands.add_parser("crd", help="print the CustomResourceDefinition as YAML")
    crd.set_defaults(command=print_crd)
    _add_explain(commands)
    _add_rank_table(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    defaults = Settings()
    run = commands.add_parser("run", help="run the operator until it is stopped")
    run.add_argument("--kubeconfig", help="default: in-cluster, else $KUBECONFIG")
    run.add_argument(
        "--namespace", action="append", default=[], help="look after this one only; repeatable"
    )
    run.add_argument(
        "--selector",
        default=defaults.selector,
        metavar="LABELS",
        help="look after jobs with these labels only, such as team=vision,tier!=test",
    )
    run.add_argument(
        "--lease",
        type=_read_lease,
        metavar="NAMESPACE/NAME",
        help="of several operators only the holder of this Lease writes (default: no other runs)",
    )
    run.add_argument(
        "--kueue",
        action="store_true",
        help="hold jobs with the label kueue.x-k8s.io/queue-name until Kueue admits them",
    )
    run.add_argument(
        "--port", type=_read_port, default=defaults.port, help="of /healthz, /readyz and /metrics"
    )
    run.add_argument(
        "--progress-interval",
        type=float,
        default=defaults.progress_interval_s,
        metavar="SECONDS",
        help="between two looks at a job's progress (default %(default)s)",
    )
    run.add_argument(
        "--no-chip-health",
        action="store_true",
        help="do not follow the device plugin's reports of unfit chips in kube-system",
    )
    run.add_argument(
        "--job-series",
        type=_read_count,
        default=defaults.job_series,
        metavar="N",
        help="jobs that have metrics of their own, at most (default %(default)s)",
    )
    run.add_argument(
        "--ui",
        choices=get_args(UiAccess),
        default=defaults.ui,
        help="serve the status page /ui: on the pod's loopback for kubectl port-forward, or on "
        "all addresses for tokens of those who may read the jobs (default %(default)s)",
    )
    run.add_argument("--ui-port", type=_read_port, default=defaults.ui_port, help="of /ui")
    run.add_argument(
        "--log-format",
        choices=get_args(LogFormat),
        default=defaults.log_format,
        help="auto (the default) is text on a terminal and json elsewhere",
    )
    run.add_argument("--verbose", action="store_true", help="log debug lines too")
    run.set_defaults(command=run_operator)


def _add_explain(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    explain = commands.add_parser(
        "explain",
        help="print what a live job waits for and what comes next, or every object that a "
        "manifest would become, without a cluster",
    )
    what = explain.add_mutually_exclusive_group(required=True)
    what.add_argument("job", nargs="?", type=_read_job, metavar="job/NAME", help="a live job")
    what.add_argument("-f", "--filename", help="manifest, or - for stdin")
    live = explain.add_argument_group("of a live job")
    live.add_argument("-n", "--namespace", help="default: that of the kubeconfig's context")
    live.add_argument("--kubeconfig", help="default: in-cluster, else $KUBECONFIG")
    live.add_argument("-o", "--output", choices=["text", "yaml", "json"], default="text")
    explain.set_defaults(command=print_explanation)


def _add_rank_table(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    table = commands.add_parser(
        "rank-table", help="print the HCCL rank table of pods from 'kubectl get pods -o json'"
    )
    table.add_argument("-f", "--filename", required=True, help="JSON of the pods, or - for stdin")
    table.add_argument("--format", choices=["1.0", "legacy"], default="1.0")
    table.add_argument("--grouping", choices=["host", "pod"], default="host")
    table.add_argument("--accelerator", choices=["Ascend910", "Ascend910B"], default="Ascend910")
    table.set_defaults(command=print_rank_table)


def run_operator(arguments: argparse.Namespace) -> int:
    """Run the operator until a signal."""
    from efficientnet_operator import handlers  # kopf takes 0.5 s that other commands need not pay

    handlers.run(
        Settings(
            namespaces=tuple(arguments.namespace),
            selector=arguments.selector,
            lease=arguments.lease,
            kueue=arguments.kueue,
            port=arguments.port,
            progress_interval_s=arguments.progress_interval,
            chip_health=not arguments.no_chip_health,
            kubeconfig=arguments.kubeconfig,
            job_series=arguments.job_series,
            ui=arguments.ui,
            ui_port=arguments.ui_port,
            log_format=arguments.log_format,
            verbose=arguments.verbose,
        )
    )
    return 0


def print_crd(_: argparse.Namespace) -> int:
    """Print the CRD."""
    from efficientnet_operator.api.generate import format_crd

    print(format_crd(), end="")
    return 0


def print_explanation(arguments: argparse.Namespace) -> int:
    """Print a live job's plan; or a manifest's objects, or why the API server would refuse it."""
    from efficientnet_operator.api.manifests import load_manifest
    from efficientnet_operator.explaining import RefusedError, explain

    if arguments.job:
        from efficientnet_operator.explaining_live import explain_live

        where = (arguments.job, arguments.namespace, arguments.kubeconfig)
        print(explain_live(*where, arguments.output), end="")
        return 0
    try:
        print(explain(load_manifest(_read(arguments.filename))), end="")
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def print_rank_table(arguments: argparse.Namespace) -> int:
    """Print the table; problems and left-out pods go to standard error."""
    from efficientnet_operator.tabulating import tabulate

    try:
        document = json.loads(_read(arguments.filename))
    except json.JSONDecodeError as error:
        source = "standard input" if arguments.filename == "-" else arguments.filename
        raise ValueError(
            f"{source} is not JSON ({error}); give the output of 'kubectl get pods -o json'"
        ) from error
    result = tabulate(
        document,
        "Legacy" if arguments.format == "legacy" else "1.0",
        "Pod" if arguments.grouping == "pod" else "Host",
        arguments.accelerator,
    )
    for line in (*result.notes, *result.problems):
        print(line, file=sys.stderr)
    if result.table is None:
        return 1
    print(result.table)
    return 0


def _read_lease(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAMESPACE/NAME")
    return namespace, name


def _read_count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _read_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)


def _read_job(text: str) -> str:
    kind, slash, name = text.rpartition("/")
    if not name or (slash and kind not in JOB_WORDS):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form job/NAME")
    return name


def _read(filename: str) -> str:
    return sys.stdin.read() if filename == "-" else Path(filename).read_text(encoding="utf-8")
