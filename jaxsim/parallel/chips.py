"""Peak rates of accelerators, as their makers print them."""

from dataclasses import dataclass

GIB = 1 << 30
USED_OF_PEAK = 0.25
"""Share of a chip's peak rates that networks of images reach. Measured on one H100, in
docs/benchmarks.md: ResNet-101 .24 of its operations, EfficientNet-Lite0 .3 of its
bandwidth; taken for the others as well."""

USABLE_MEMORY = 0.92
"""Share of a chip's memory that is left beside what the system and XLA keep."""


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One accelerator.

    Attributes:
      flops: bfloat16 operations per second, without sparsity.
      memory_bytes: of the chip.
      bandwidth: bytes per second of that memory.
      link: bytes per second that the chip sends to others near it.
      near: chips that are joined by these links.
      network: bytes per second that it sends to farther ones.
      source: where the numbers are printed.
    """

    flops: float
    memory_bytes: int
    bandwidth: float
    link: float
    near: int
    network: float
    source: str

    def fits(self, memory_bytes: int) -> bool:
        """Whether a program of so much memory runs."""
        return memory_bytes <= USABLE_MEMORY * self.memory_bytes

    def seconds(
        self, *, flops: float, moved_bytes: float, sent_bytes: float, devices: int
    ) -> float:
        """Returns how long a step takes at the rates that training reaches.

        Computation and communication are added, as if they never overlapped.

        Args:
          flops: of one device.
          moved_bytes: to and from its memory.
          sent_bytes: to other devices.
          devices: in all.
        """
        computing = max(flops / self.flops, moved_bytes / self.bandwidth)
        rate = self.link if devices <= self.near else self.network
        return computing / USED_OF_PEAK + sent_bytes / rate


CHIPS = {
    "a100": Chip(
        flops=312e12,
        memory_bytes=80 * GIB,
        bandwidth=2.039e12,
        link=300e9,
        near=8,
        network=25e9,
        source="NVIDIA A100 80GB SXM data sheet; DGX A100 data sheet (network)",
    ),
    "h100": Chip(
        flops=989e12,
        memory_bytes=80 * GIB,
        bandwidth=3.35e12,
        link=450e9,
        near=8,
        network=50e9,
        source="NVIDIA H100 SXM data sheet; DGX H100 data sheet (network)",
    ),
    "h200": Chip(
        flops=989e12,
        memory_bytes=141_000_000_000,
        bandwidth=4.8e12,
        link=450e9,
        near=8,
        network=50e9,
        source="NVIDIA H200 SXM data sheet; DGX H200 data sheet (network)",
    ),
    "v4": Chip(
        flops=275e12,
        memory_bytes=32 * GIB,
        bandwidth=1.2e12,
        link=300e9,
        near=4096,
        network=12.5e9,
        source="Google Cloud TPU v4 system architecture",
    ),
    "v5e": Chip(
        flops=197e12,
        memory_bytes=16 * GIB,
        bandwidth=0.819e12,
        link=200e9,
        near=256,
        network=12.5e9,
        source="Google Cloud TPU v5e system architecture",
    ),
    "v5p": Chip(
        flops=459e12,
        memory_bytes=95 * GIB,
        bandwidth=2.765e12,
        link=600e9,
        near=8960,
        network=12.5e9,
        source="Google Cloud TPU v5p system architecture",
    ),
    "v6e": Chip(
        flops=918e12,
        memory_bytes=32 * GIB,
        bandwidth=1.64e12,
        link=448e9,
        near=256,
        network=12.5e9,
        source="Google Cloud TPU v6e system architecture",
    ),
}
"""By the names of `jaxsim plan --chip`."""
