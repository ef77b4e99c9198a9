"""The command line: run the operator, print its CRD, explain a job, make a rank table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from efficientnet_operator.settings import Settings


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
    explain = commands.add_parser(
        "explain", help="print every object that a job would become, without a cluster"
    )
    explain.add_argument("-f", "--filename", required=True, help="manifest, or - for stdin")
    explain.set_defaults(command=print_explanation)
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
        "--lease",
        type=_read_lease,
        metavar="NAMESPACE/NAME",
        help="of several operators only the holder of this Lease writes (default: no other runs)",
    )
    run.add_argument(
        "--port", type=int, default=defaults.port, help="of /healthz, /readyz and /metrics"
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
    run.add_argument("--log-format", choices=["text", "json"], default=defaults.log_format)
    run.add_argument("--verbose", action="store_true", help="log debug lines too")
    run.set_defaults(command=run_operator)


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
            lease=arguments.lease,
            port=arguments.port,
            progress_interval_s=arguments.progress_interval,
            chip_health=not arguments.no_chip_health,
            kubeconfig=arguments.kubeconfig,
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
    """Print the objects of a job, or why the API server would refuse it."""
    from efficientnet_operator.api.manifests import load_manifest
    from efficientnet_operator.explaining import RefusedError, explain

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


def _read(filename: str) -> str:
    return sys.stdin.read() if filename == "-" else Path(filename).read_text(encoding="utf-8")
