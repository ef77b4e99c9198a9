"""The pure part: everything decided from values, nothing read or written.

No kopf, Kubernetes client, clock, random or logging here; import-linter holds
it to that. ``kube`` observes before and executes after.
"""
