"""Vocabulary shared by every floor: arrays, rankings, errors, files, randomness."""
