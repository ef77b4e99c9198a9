"""A local Kubernetes cluster of real components on one Linux machine.

Two things are offered, to tests and to people: ``control_plane.ControlPlane``
(etcd and kube-apiserver on loopback, no root) and ``cluster.Cluster`` (two or
more real nodes, root).  The modules below them each hold one concern; those
named for data (``names``, ``manifests``) are pure.

This package imports nothing by itself, so that ``python -m localcluster
check`` runs on any Python from 3.9 before anything is installed.
"""
