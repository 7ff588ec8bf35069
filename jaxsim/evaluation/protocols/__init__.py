"""One protocol a file: which results count as right."""
