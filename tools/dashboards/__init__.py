"""Grafana dashboards as code: jobs of a fleet, one training, the operator.

The JSON under charts/efficientnet-operator/files/dashboards is written from here.
"""
