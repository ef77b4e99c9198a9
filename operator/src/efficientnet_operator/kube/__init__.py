"""The shell: observe the cluster, execute plans, and nothing else.

``cache`` and kopf's events only enqueue job keys; ``controller`` takes them,
has ``observe`` build a view and ``core`` decide, and ``execute`` alone writes.
"""
