"""What the local cluster reads and writes: archives, records, certificates."""

import io
import json
import ssl
import tarfile
import tomllib
from pathlib import Path

import pytest
from cryptography import x509
from localcluster.certificates import issue, make_authority
from localcluster.errors import ClusterError
from localcluster.fake_nodes import build_fake_nodes
from localcluster.images import read_archive, read_digests
from localcluster.kubeconfig import build_kubeconfig
from localcluster.names import ClusterNames
from localcluster.node_files import build_containerd_config
from localcluster.processes import boot_id
from localcluster.record import (
    Record,
    choose_nodes,
    is_outdated,
    read_record,
    write_record,
)


def archive(path, names):
    manifests = [
        {
            "digest": f"sha256:{number}",
            "annotations": {"org.opencontainers.image.ref.name": name} if name else {},
        }
        for number, name in enumerate(names)
    ]
    content = json.dumps({"manifests": manifests}).encode()
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo("index.json")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return path


def test_an_archive_says_its_name_and_digest(tmp_path):
    found = read_archive(archive(tmp_path / "a.tar", ["localhost/trainer:1"]))
    assert (found.image, found.digest) == ("localhost/trainer:1", "sha256:0")


@pytest.mark.parametrize("names", [[], [""], ["latest"], ["localhost/a:1", "localhost/b:1"]])
def test_an_archive_without_one_full_name_is_refused(tmp_path, names):
    with pytest.raises(ClusterError, match="wanted one image under its full name"):
        read_archive(archive(tmp_path / "a.tar", names))


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.tar").write_text("not a tar")
    with pytest.raises(ClusterError, match="wanted an OCI archive"):
        read_archive(tmp_path / "a.tar")
    with pytest.raises(ClusterError, match="wanted an OCI archive"):
        read_archive(tmp_path / "missing.tar")


def test_digests_are_read_from_containerds_table():
    listing = (
        "REF                  TYPE                                       DIGEST     SIZE\n"
        "localhost/pod-tool:1 application/vnd.oci.image.manifest.v1+json sha256:abc 2.6 MiB\n"
    )
    assert read_digests(listing) == {"localhost/pod-tool:1": "sha256:abc"}
    assert read_digests("") == {}


NODE_COUNTS = {
    "a new cluster has two": (None, None, 2),
    "a new cluster has what is asked": (None, 3, 3),
    "a cluster keeps its size": (3, None, 3),
    "a cluster grows": (2, 3, 3),
}


@pytest.mark.parametrize("present, wanted, count", NODE_COUNTS.values(), ids=NODE_COUNTS)
def test_choose_nodes(present, wanted, count):
    record = Record(0, present, "boot") if present else None
    assert choose_nodes("dev", record, wanted) == count


@pytest.mark.parametrize("present, wanted", [(None, 0), (None, -1), (2, 1)])
def test_a_cluster_never_shrinks(present, wanted):
    record = Record(0, present, "boot") if present else None
    with pytest.raises(ClusterError, match="nodes are not taken away"):
        choose_nodes("dev", record, wanted)


def test_a_record_is_read_as_it_was_written(tmp_path):
    record = Record(index=1, nodes=2, boot="b")
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    assert read_record(tmp_path / "elsewhere") is None


OUTDATED = {
    "same boot, same index": (boot_id(), 1, False),
    "another boot": ("another", 1, True),
    "another index": (boot_id(), 2, True),
}


@pytest.mark.parametrize("boot, index, want", OUTDATED.values(), ids=OUTDATED)
def test_is_outdated(boot, index, want):
    assert is_outdated(Record(1, 2, boot), index) is want


def test_certificates_name_user_groups_and_hosts_and_are_made_once(tmp_path):
    authority = make_authority(tmp_path)
    pair = issue(
        authority, "node", "system:node:n", ["system:nodes"], hosts=["10.0.0.1", "localhost"]
    )
    made = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    assert made.subject.rfc4514_string() == "CN=system:node:n,O=system:nodes"
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["10.0.0.1", "localhost"]
    signer = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    made.verify_directly_issued_by(signer)
    assert pair.key.stat().st_mode & 0o777 == 0o600
    ssl.create_default_context(cafile=str(authority.certificate)).load_cert_chain(
        pair.certificate, pair.key
    )
    again = issue(make_authority(tmp_path), "node", "other")
    assert x509.load_pem_x509_certificate(again.certificate.read_bytes()) == made


def test_a_kubeconfig_has_one_context_of_the_clusters_name():
    made = build_kubeconfig("dev", "https://10.200.0.2:6443", b"ca", b"cert", b"key")
    assert made["current-context"] == "dev"
    assert made["contexts"][0]["context"] == {"cluster": "dev", "user": "dev"}
    assert made["users"][0]["user"]["client-key-data"] == "a2V5"


def test_containerds_configuration_is_toml_whatever_the_folders_name():
    folder = Path('/state/a "quoted" \\ folder')
    config = tomllib.loads(build_containerd_config(ClusterNames("dev", 0, folder).node(1)))
    assert config["root"] == str(folder / "nodes" / "node1" / "containerd")


def test_fake_nodes_differ_in_name_and_address():
    nodes = build_fake_nodes(600)
    assert len({node["metadata"]["name"] for node in nodes}) == 600
    assert len({node["status"]["addresses"][0]["address"] for node in nodes}) == 600
