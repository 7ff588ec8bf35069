"""Published evaluation protocols, and the runner that applies them."""
