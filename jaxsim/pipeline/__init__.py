"""From images to descriptors, to an index, to answers."""
