"""Better rankings from a first one."""
