"""Build the configuration files of one node's daemons.

Pure.  Inside a node's mount namespace /run, /var/log, /var/lib/kubelet and
/var/lib/cni are its own, so that the usual paths serve; what lies elsewhere is
named by the node's folder on the host.
"""

import json
from pathlib import Path
from typing import Any

from localcluster.certificates import Pair
from localcluster.check import CNI_FOLDER
from localcluster.images import POD_TOOL
from localcluster.names import ClusterNames, NodeNames

# Of the node's own /run, see above.
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"

# The kubelet sets these for the whole machine.  A node shows it files that
# already hold what it wants; as kernel defaults are protected, a kubelet that
# wants more says so instead of changing the machine.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def build_containerd_config(node: NodeNames) -> str:
    """Return containerd's configuration (TOML)."""
    cni = node.folder / "etc" / "cni"
    return f"""\
version = 3
root = {_toml(node.folder / "containerd")}
disabled_plugins = ["io.containerd.nri.v1.nri"]

[grpc]
  address = {_toml(CONTAINERD_SOCKET)}

[plugins."io.containerd.internal.v1.opt"]
  path = {_toml(node.folder / "opt")}

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = {_toml(POD_TOOL)}

[plugins."io.containerd.cri.v1.runtime"]
  # Lowering the score needs CAP_SYS_RESOURCE, which a container may lack.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = [{_toml(CNI_FOLDER)}]
  conf_dir = {_toml(cni)}

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  BinaryName = "runc"
"""


def build_cni_config(node: NodeNames) -> dict[str, Any]:
    """Return the node's pod network: a bridge, addresses of the node's subnet, host ports."""
    return {
        "cniVersion": "1.0.0",
        "name": node.name,
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods0",
                "isDefaultGateway": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": str(node.pod_subnet)}]],
                    "dataDir": "/run/cni-addresses",
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def build_kubelet_config(node: NodeNames, authority: Pair, serving: Pair) -> dict[str, Any]:
    """Return the kubelet's configuration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(node.ip),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupRoot": f"/{node.cgroup}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "protectKernelDefaults": True,
        "oomScoreAdj": 0,
        # Images are imported and can not be pulled again: nothing removes them.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {},
        # There is no cluster DNS, and the host's servers can not be reached.
        "resolvConf": "",
        "volumePluginDir": str(node.folder / "opt" / "volume-plugins"),
    }


def build_proxy_config(names: ClusterNames, node: NodeNames, kubeconfig: Path) -> dict[str, Any]:
    """Return kube-proxy's configuration; connection tracking limits belong to the machine."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "mode": "nftables",
        "clusterCIDR": str(names.pod_subnet),
        "hostnameOverride": node.name,
        "nodePortAddresses": [f"{node.ip}/32"],
        "oomScoreAdj": 0,
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def _toml(text: str | Path) -> str:
    # A JSON string is a TOML basic string.
    return json.dumps(str(text))
