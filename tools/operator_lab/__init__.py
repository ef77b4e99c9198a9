"""Try the operator on a simulated cluster: as a real process, with the rights it is shipped with.

For tests and measurements, not shipped. What a kubelet, a device plugin and a
trainer would do is written into the API server by whoever tries it.
"""
