"""Kubernetes operator for EfficientNet training jobs on Ascend NPUs."""
