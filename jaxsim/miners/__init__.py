"""Miners: which triplets to train on, as positions and weights of static shape."""
