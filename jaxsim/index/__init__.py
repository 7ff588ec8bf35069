"""Collections of descriptors that answer queries."""
