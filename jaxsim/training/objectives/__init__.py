"""What is optimised: each objective knows its batch and its network."""
