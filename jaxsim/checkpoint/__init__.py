"""States of training on disk, complete or absent."""
