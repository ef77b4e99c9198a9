"""Run the simulated device plugin of one node, inside that node's mount namespace."""

import argparse
import asyncio
import logging
from pathlib import Path

from ascend_sim.api import Api
from ascend_sim.controls import ControlFile
from ascend_sim.plugin import serve_kubelet
from ascend_sim.reporting import report_forever


async def run(node: str, kubeconfig: str, kubelet: Path, controls: ControlFile) -> None:
    """Serve and report until one of the two fails for good."""
    async with Api(kubeconfig) as api, asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_kubelet(kubelet / "device-plugins", controls))
        socket = kubelet / "pod-resources" / "kubelet.sock"
        tasks.create_task(report_forever(node, socket, api, controls))


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="ascend_sim", description=__doc__)
    parser.add_argument("--node", required=True, help="the node's name in Kubernetes")
    parser.add_argument(
        "--kubeconfig", required=True, help="an identity that may annotate pods and nodes"
    )
    parser.add_argument("--control", type=Path, help="JSON file of settings, see controls.py")
    parser.add_argument(
        "--kubelet-root", type=Path, default="/var/lib/kubelet", help="the kubelet's folder"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(run(args.node, args.kubeconfig, args.kubelet_root, ControlFile(args.control)))


if __name__ == "__main__":
    main()
