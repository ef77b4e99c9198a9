"""Change the core's decisions one at a time, and see whether a test notices.

mutmut makes the changes and runs the tests; this package lays out the folder
that it wants to run in, and says how many of each module's mutants died.
"""
