"""Convolutional networks that return named feature stages."""
