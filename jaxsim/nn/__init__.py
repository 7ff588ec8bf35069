"""Flax modules: backbones, pooling heads and the descriptor they form."""
