"""`make demo`: from nothing to a trained network on a local cluster, as a user would do it.

The same steps as on a real cluster (helm install, kubectl apply), on two real
kubelets whose NPUs are simulated.
"""
