"""Build what a release consists of, so that two builds give the same bytes."""
