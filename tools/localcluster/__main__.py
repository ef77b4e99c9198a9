"""Command line of the local cluster: `python -m localcluster COMMAND [--name NAME]`.

Modules are imported when a command needs them, so that `check` runs before
anything is installed.
"""

import argparse
import sys

from localcluster import check
from localcluster.errors import ClusterError


def main() -> int:
    """Run one command; its exit code is 0, 1 for an error, 3 for `status` of what is not up."""
    arguments = _parser().parse_args()
    try:
        return int(arguments.run(arguments) or 0)
    except ClusterError as error:
        print(f"localcluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("localcluster: interrupted; `up` continues, `down` removes", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localcluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, text, named=True):
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        if named:
            added.add_argument("--name", default="dev", help="the cluster (default: dev)")
        return added

    command("check", _check, "say what this machine lacks for a cluster", named=False)
    up = command("up", _up, "bring a cluster up, or repair it")
    up.add_argument("--nodes", type=int, help="how many (default: what it has, or 2)")
    command("down", _down, "remove a cluster and all that it made")
    command("status", _status, "show a cluster's nodes and daemons")
    command("list", _list, "show every cluster of this machine", named=False)
    command("kubeconfig", _kubeconfig, "print the path of a cluster's kubeconfig")
    load = command("load", _load, "import OCI archives into every node")
    load.add_argument("archives", nargs="+", metavar="TAR")
    return parser


def _cluster(arguments):
    from localcluster.cluster import Cluster

    return Cluster(arguments.name)


def _check(_arguments):
    check.require()
    print("this machine can run a cluster")


def _up(arguments):
    check.require()
    cluster = _cluster(arguments).up(arguments.nodes)
    print(f"KUBECONFIG={cluster.kubeconfig}")


def _down(arguments):
    check.require_root()
    _cluster(arguments).down()


def _status(arguments):
    check.require_root()
    cluster = _cluster(arguments)
    for name in cluster.processes.names():
        identity = cluster.processes.get(name)
        state = f"pid {identity.pid}" if identity else "ended"
        print(f"{name:28} {state:12} {cluster.processes.log(name)}")
    problems = cluster.problems()
    for problem in problems:
        print(f"cluster {cluster.name}: {problem}")
    if problems:
        return 3
    print(cluster.kubectl("get", "nodes", "-o", "wide"), end="")
    print(f"KUBECONFIG={cluster.kubeconfig}")
    return 0


def _list(_arguments):
    from localcluster.names import address_block
    from localcluster.registry import claims

    for claim in claims():
        print(f"{claim.name:20} {address_block(claim.index)!s:18} {claim.folder}")


def _kubeconfig(arguments):
    cluster = _cluster(arguments)
    if not cluster.kubeconfig.exists():
        raise ClusterError(
            f"cluster {cluster.name} is not there; "
            f"`python -m localcluster up --name {cluster.name}`"
        )
    print(cluster.kubeconfig)


def _load(arguments):
    check.require_root()
    _cluster(arguments).load(arguments.archives)


if __name__ == "__main__":
    sys.exit(main())
