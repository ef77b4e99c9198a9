"""Kueue, of whom the operator is an external framework: it decides when a job may run.

A job with the label ``kueue.x-k8s.io/queue-name`` is described to Kueue by a
Workload.  The job counts as suspended until that is admitted, and again when it
is evicted; ``spec`` is the user's and is never written.

Source: kubernetes-sigs/kueue, apis/kueue/v1beta2 and what its own job framework
(pkg/controller/jobframework) does with a Workload.
"""
