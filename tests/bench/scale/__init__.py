"""The parts of the benchmark of whole gangs: observer, device plugin, floor, results."""
