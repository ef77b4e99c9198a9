"""A real Prometheus on loopback, and what operator, trainers and NPU exporter would tell it."""
