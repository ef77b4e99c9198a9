"""Assemble the documentation site from the repository's own pages."""
