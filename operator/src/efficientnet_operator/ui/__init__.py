"""The status page: jobs and their curves, read-only, from what the operator knows anyway."""
