"""A simulated Ascend device plugin, for tests and the demo: no hardware, a real kubelet.

One process per node does what Huawei's plugin does on a server of eight
Ascend 910 chips: it offers the chips to the kubelet (``plugin``), and tells
the API server which chips each pod was given (``reporting``).  Tests misuse it
through a control file (``controls``): dead chips, unreadable addresses, chips
handed out across rings.  ``fleet`` runs one on each node of a local cluster.
"""
