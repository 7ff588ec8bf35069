"""Where the points of one image lie in another."""
