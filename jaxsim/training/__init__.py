"""Training: optimisers, objectives, the one step and the one loop."""
