"""Build the command lines of the control plane's components.

Pure: settings in, argument lists out.  ``control_plane`` writes the files
that are named here and starts the commands.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from localcluster.certificates import Pair

API_PORT = 6443
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380

# Native gang scheduling: the PodGroup API and the scheduler that honours it, and gangs that stay
# in one domain of a node label.  The scheduler's plugins for it come with the gate.
GANG_GATES = "GenericWorkload=true,TopologyAwareWorkloadScheduling=true"
_GANG_APIS = "scheduling.k8s.io/v1beta1=true,scheduling.k8s.io/v1alpha3=true"


@dataclass(frozen=True)
class ControlPlaneSettings:
    """What tells one control plane from another.

    Attributes:
        name: the cluster's name, also the kubeconfig's context.
        folder: where data, certificates and configuration go.
        address: where the API server listens.
        private_address: where everything else listens; nothing but the API
            server and the administrator goes there.
        service_subnet: addresses of Services.
        pod_subnet: addresses of pods.
        controllers: whether kube-controller-manager and kube-scheduler run.
        feature_gates: of the API server, the scheduler and the controllers.
        advertised: whether the Service kubernetes.default leads to `address`;
            Kubernetes refuses that for a loopback address.
    """

    name: str
    folder: Path
    address: str
    private_address: str
    service_subnet: IPv4Network
    pod_subnet: IPv4Network
    controllers: bool = True
    feature_gates: str = GANG_GATES
    advertised: bool = True

    @property
    def url(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{API_PORT}"

    @property
    def pki(self) -> Path:
        """The folder of certificates."""
        return self.folder / "pki"

    @property
    def kubeconfigs(self) -> Path:
        """The folder of the components' kubeconfigs."""
        return self.folder / "kubeconfigs"

    @property
    def scheduler_config(self) -> Path:
        """The scheduler's configuration file."""
        return self.folder / "scheduler.yaml"


@dataclass(frozen=True)
class ControlPlaneKeys:
    """The certificates that the command lines name."""

    authority: Pair
    api_server: Pair
    kubelet_client: Pair
    service_accounts: Pair
    kubeconfigs: dict[str, Path] = field(default_factory=dict)


def build_commands(
    settings: ControlPlaneSettings, keys: ControlPlaneKeys, binaries: dict[str, Path]
) -> dict[str, list[str]]:
    """Return each component's argument list by name, in the order of their start."""
    commands = {
        "etcd": [str(binaries["etcd"]), *_etcd(settings)],
        "kube-apiserver": [str(binaries["kube-apiserver"]), *_api_server(settings, keys)],
    }
    if settings.controllers:
        commands["kube-controller-manager"] = [
            str(binaries["kube-controller-manager"]),
            *_controller_manager(settings, keys),
        ]
        commands["kube-scheduler"] = [
            str(binaries["kube-scheduler"]),
            f"--config={settings.scheduler_config}",
            f"--feature-gates={settings.feature_gates}",
            f"--bind-address={settings.private_address}",
        ]
    return commands


def build_scheduler_config(kubeconfig: Path) -> dict[str, object]:
    """Return the scheduler's configuration; its usual 50 requests/s would bound a big gang."""
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 1000, "burst": 2000},
    }


def _etcd(settings: ControlPlaneSettings) -> list[str]:
    clients = f"http://{settings.private_address}:{ETCD_PORT}"
    peers = f"http://{settings.private_address}:{ETCD_PEER_PORT}"
    return [
        f"--data-dir={settings.folder / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        # A killed process loses nothing by it; after a crash of the machine
        # the cluster starts from an empty store anyway.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _api_server(settings: ControlPlaneSettings, keys: ControlPlaneKeys) -> list[str]:
    authority = keys.authority.certificate
    arguments = [
        f"--etcd-servers=http://{settings.private_address}:{ETCD_PORT}",
        f"--bind-address={settings.address}",
        f"--advertise-address={settings.address}",
        f"--secure-port={API_PORT}",
        f"--tls-cert-file={keys.api_server.certificate}",
        f"--tls-private-key-file={keys.api_server.key}",
        f"--client-ca-file={authority}",
        f"--kubelet-certificate-authority={authority}",
        f"--kubelet-client-certificate={keys.kubelet_client.certificate}",
        f"--kubelet-client-key={keys.kubelet_client.key}",
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC",
        # Some distributions have the second: who names an owner needs rights on it.
        "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
        f"--service-cluster-ip-range={settings.service_subnet}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys.service_accounts.certificate}",
        f"--service-account-signing-key-file={keys.service_accounts.key}",
        "--allow-privileged=true",
        # Nothing forwards Service addresses where the API server runs, so
        # webhooks and aggregated APIs are called at their pods.
        "--enable-aggregator-routing=true",
        f"--feature-gates={settings.feature_gates}",
        f"--runtime-config={_GANG_APIS}",
        "--profiling=false",
    ]
    if not settings.advertised:
        arguments.append("--endpoint-reconciler-type=none")
    if not settings.controllers:
        # No controller makes the ServiceAccount `default` without which this
        # plugin refuses every pod.
        arguments.append("--disable-admission-plugins=ServiceAccount")
    return arguments


def _controller_manager(settings: ControlPlaneSettings, keys: ControlPlaneKeys) -> list[str]:
    return [
        f"--kubeconfig={keys.kubeconfigs['controller-manager']}",
        f"--bind-address={settings.private_address}",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={keys.service_accounts.key}",
        f"--root-ca-file={keys.authority.certificate}",
        f"--cluster-cidr={settings.pod_subnet}",
        f"--service-cluster-ip-range={settings.service_subnet}",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        f"--feature-gates={settings.feature_gates}",
    ]
