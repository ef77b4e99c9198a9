"""The stages of a job's life, one policy to a file.

Each is ``stage(draft) -> bool``: it adds to the plan, and True means that what
comes after has to wait. ``reconcile`` names their order.
"""
