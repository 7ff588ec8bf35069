"""jaxsim: find visually similar images, in JAX/Flax, on CPUs, GPUs and TPUs."""

__version__ = "0.1.0"
