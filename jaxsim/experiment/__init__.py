"""From a config file to objects: the only floor that composes."""
