"""The schema of a core/v1 VolumeSource inside the resource.

The kinds are listed so that a misspelt one is refused: the API server would
drop it, take the empty rest for an emptyDir, and the checkpoints would be lost
with the pod.  What is inside a kind belongs to core/v1 and is kept as it is.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import WithJsonSchema

FREE_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "x-kubernetes-preserve-unknown-fields": True,
}
"""Schema of an object whose fields belong to another API and are kept as they are."""

_KINDS: Final = {
    "persistentVolumeClaim": "A claim of the job's namespace: claimName, readOnly.",
    "nfs": "An NFS share: server, path, readOnly.",
    "hostPath": "A path of the node: path, type.",
    "csi": "An ephemeral volume of a CSI driver: driver, volumeAttributes, readOnly.",
    "ephemeral": "A claim that lives as long as its pod: volumeClaimTemplate.",
    "emptyDir": "A folder of one pod, lost with it: medium, sizeLimit.",
    "image": "An OCI image or artifact: reference, pullPolicy.",
    "configMap": "The keys of a ConfigMap as files: name, items.",
    "secret": "The keys of a Secret as files: secretName, items.",  # pragma: allowlist secret
    "projected": "Several sources in one folder: sources.",
    "downwardAPI": "Fields of the pod as files: items.",
    "cephfs": "A CephFS share: monitors, path, secretRef.",
    "rbd": "A Ceph block device: monitors, image, pool.",
    "glusterfs": "A GlusterFS share: endpoints, path.",
    "iscsi": "An iSCSI disk: targetPortal, iqn, lun.",
    "fc": "A Fibre Channel disk: targetWWNs, lun.",
    "azureFile": "An Azure file share: shareName, secretName.",
    "azureDisk": "An Azure disk: diskName, diskURI.",
    "awsElasticBlockStore": "An AWS EBS disk: volumeID.",
    "gcePersistentDisk": "A GCE disk: pdName.",
    "cinder": "An OpenStack disk: volumeID.",
    "vsphereVolume": "A vSphere disk: volumePath.",
    "portworxVolume": "A Portworx volume: volumeID.",
    "flexVolume": "A volume of a FlexVolume driver: driver, options.",
}

VolumeSource = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                kind: {**FREE_FORM, "description": f"{text} See core/v1 VolumeSource."}
                for kind, text in _KINDS.items()
            },
        }
    ),
]
"""A core/v1 VolumeSource, kept as it was written."""
