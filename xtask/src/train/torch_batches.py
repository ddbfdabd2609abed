"""Trains some batches in PyTorch: the networks of trainer/examples/train_batches.rs, layer by layer.

Reads lines "<network> <batches>" and answers each with the seconds that it took.
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(1)


class Block(nn.Module):
    """Two convolutions of 3 x 3, and what came in, convolved where its shape changes."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.step = 1 if inputs == outputs else 2
        self.first = nn.Conv2d(inputs, outputs, 3, self.step, 0 if self.step == 2 else 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)])
        self.shortcut = nn.Conv2d(inputs, outputs, 1, 2) if self.step == 2 else nn.Identity()

    def forward(self, x):
        # "same" padding of an even size with stride 2 is at the end alone.
        y = self.first(F.pad(x, (0, 1, 0, 1)) if self.step == 2 else x)
        y = self.norms[1](self.second(F.relu(self.norms[0](y))))
        return F.relu(y + self.shortcut(x))


class Last(nn.Module):
    """The last state of a recurrent layer over (batch, time, features)."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0][:, -1]


def mnist_cnn():
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10),
    )
    return net, (1, 28, 28), 64, torch.optim.Adam(net.parameters(), 1e-3, eps=1e-7)


def resnet8():
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        Block(16, 16), Block(16, 32), Block(32, 64),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )
    rate = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 2e-4}
    return net, (3, 32, 32), 128, torch.optim.SGD(net.parameters(), **rate)


def recurrent(layer):
    net = nn.Sequential(Last(layer(32, 64, batch_first=True)), nn.Linear(64, 10))
    return net, (64, 32), 32, torch.optim.Adam(net.parameters(), 1e-3, eps=1e-7)


NETWORKS = {
    "mnist_cnn": mnist_cnn,
    "resnet8": resnet8,
    "lstm": lambda: recurrent(nn.LSTM),
    "gru": lambda: recurrent(nn.GRU),
}
ready = {}


def train(name, batches):
    """The seconds that these batches of samples drawn at random take."""
    net, shape, size, optimizer = ready.setdefault(name, NETWORKS[name]())
    samples, labels = torch.rand(batches * size, *shape), torch.randint(10, (batches * size,))
    started = time.perf_counter()
    for batch in torch.randperm(len(samples)).split(size):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(samples[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        loss.item()
    return time.perf_counter() - started


for line in sys.stdin:
    network, batches = line.split()
    print(train(network, int(batches)), flush=True)
