"""Retrieval metrics of one query: exact, on the ranks of its positives."""
