"""Losses: one formula a file, pure functions of arrays that return a `Mean`."""
