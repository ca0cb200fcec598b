#!/usr/bin/env python3
"""Makes tests/patterns: small models of the ways in which architectures couple channels, and the groups that Torch-Pruning finds in them.

    pip install torch torch_pruning onnx onnxscript
    python crates/onnx/tests/make_patterns.py

Weights and the input, which is stored in thousandths, are drawn from a seed. There are no groups for the
shuffle, whose reshapes it does not follow (it refuses ShuffleNet).
"""
import copy
import json
import pathlib
import warnings

import onnx
import torch
import torch.nn.functional as F
import torch_pruning
from torch import nn

FOLDER = pathlib.Path(__file__).parent / "patterns"
LAYERS = (nn.modules.conv._ConvNd, nn.Linear, nn.MultiheadAttention)


def conv(inputs, outputs, size=3, **options):
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False, **options), nn.BatchNorm2d(outputs), nn.ReLU())


class Head(nn.Module):
    """Channels to three classes."""

    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, 3)

    def forward(self, x):
        return self.fc(x.mean((2, 3)))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.a, self.b = conv(3, 8), conv(8, 6), nn.Conv2d(6, 8, 1)
        self.down, self.c, self.head = nn.Conv2d(8, 12, 1, stride=2), conv(8, 12, stride=2), Head(12)

    def forward(self, x):
        x = self.stem(x)
        x = F.relu(x + self.b(self.a(x)))
        return self.head(self.down(x) + self.c(x))


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.a, self.b = conv(3, 6), conv(6, 4), conv(10, 4)
        self.norm, self.last, self.head = nn.BatchNorm2d(14), conv(14, 8, 1), Head(8)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([x, self.a(x)], 1)
        x = torch.cat([x, self.b(x)], 1)
        return self.head(self.last(F.relu(self.norm(x))))


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.one, self.three = conv(3, 6), conv(6, 4, 1), nn.Sequential(conv(6, 3, 1), conv(3, 5))
        self.pooled, self.last, self.head = conv(6, 2, 1), conv(11, 6), Head(6)

    def forward(self, x):
        x = self.stem(x)
        pooled = self.pooled(F.avg_pool2d(x, 3, 1, 1))
        return self.head(self.last(torch.cat([self.one(x), self.three(x), pooled], 1)))


class Shuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.a, self.b = conv(3, 8), nn.Sequential(conv(4, 4, 1), conv(4, 4, groups=4), conv(4, 4, 1)), conv(8, 6)
        self.head = Head(6)

    def forward(self, x):
        left, right = self.stem(x).chunk(2, 1)
        x = torch.cat([left, self.a(right)], 1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head(self.b(x))


class Grouped(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.a, self.b = conv(3, 8), conv(8, 8, groups=4), nn.Conv2d(8, 8, 1)
        self.head = Head(8)

    def forward(self, x):
        x = self.stem(x)
        return self.head(F.relu(x + self.b(self.a(x))))


class Squeeze(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.expand, self.depth = conv(3, 6), conv(6, 12, 1), conv(12, 12, 5, groups=12)
        self.fc1, self.fc2, self.project, self.head = nn.Conv2d(12, 4, 1), nn.Conv2d(4, 12, 1), nn.Conv2d(12, 6, 1), Head(6)

    def forward(self, x):
        x = self.stem(x)
        y = self.depth(self.expand(x))
        gate = torch.sigmoid(self.fc2(F.silu(self.fc1(F.adaptive_avg_pool2d(y, 1)))))
        return self.head(x + self.project(y * gate))


class Flatten(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = conv(3, 5), nn.Conv2d(5, 4, 3)
        self.fc1, self.fc2 = nn.Linear(4 * 3 * 3, 10), nn.Linear(10, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.b(self.a(x))), 2)
        return self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))


class LayerScale(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.depth, self.norm = nn.Conv2d(3, 6, 2, stride=2), nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.LayerNorm(6)
        self.wide, self.narrow, self.scale, self.head = nn.Linear(6, 10), nn.Linear(10, 6), nn.Parameter(torch.rand(6, 1, 1)), Head(6)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.depth(x).permute(0, 2, 3, 1))
        y = self.narrow(F.gelu(self.wide(y))).permute(0, 3, 1, 2)
        return self.head(x + self.scale * y)


class Windows(nn.Module):
    """Attention inside of shifted windows."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm, self.qkv = nn.Conv2d(3, 8, 1), nn.LayerNorm(8), nn.Linear(8, 24)
        self.proj, self.bias, self.head = nn.Linear(8, 8), nn.Parameter(torch.rand(1, 2, 16, 16)), Head(8)

    def forward(self, x):
        x = self.stem(x)
        y = torch.roll(self.norm(x.permute(0, 2, 3, 1)), (-2, -2), (1, 2))
        n, h, w, c = y.shape
        y = y.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        q, k, v = self.qkv(y).reshape(-1, 16, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        weights = F.softmax((q * 0.5) @ k.transpose(-2, -1) + self.bias, -1)
        y = self.proj((weights @ v).transpose(1, 2).reshape(-1, 16, c))
        y = y.view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        y = torch.roll(y, (2, 2), (1, 2))
        return self.head(x + y.permute(0, 3, 1, 2))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm, self.attention = nn.Conv2d(3, 12, 2, stride=2), nn.LayerNorm(12), nn.MultiheadAttention(12, 3, batch_first=True)
        self.mlp, self.fc = nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 20), nn.GELU(), nn.Linear(20, 12)), nn.Linear(12, 3)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.mlp(x)
        return self.fc(x[:, 0])


class Projections(nn.Module):
    """Attention with a projection each for queries, keys and values."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 2, stride=2)
        self.query, self.key, self.value, self.out = nn.Linear(8, 12), nn.Linear(8, 12), nn.Linear(8, 12), nn.Linear(12, 8)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        n, t, _ = x.shape
        q, k, v = [f(x).view(n, t, 3, 4).transpose(1, 2) for f in (self.query, self.key, self.value)]
        weights = F.softmax(q @ k.transpose(-2, -1) / 2.0, -1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(n, t, 12))
        return self.fc(x.mean(1))


class Unet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = conv(3, 6), conv(6, 8), conv(8, 10)
        self.up1, self.d1 = nn.ConvTranspose2d(10, 8, 2, stride=2), conv(16, 7)
        self.up2, self.d2, self.out = nn.ConvTranspose2d(7, 6, 2, stride=2), conv(12, 5), nn.Conv2d(5, 2, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        c = self.c(F.max_pool2d(b, 2))
        x = self.d1(torch.cat([b, self.up1(c)], 1))
        return self.out(self.d2(torch.cat([a, self.up2(x)], 1)))


class Pyramid(nn.Module):
    """Sums of maps that are resized to each other."""

    def __init__(self):
        super().__init__()
        self.a, self.b = conv(3, 6), conv(6, 9, stride=2)
        self.left, self.right, self.last, self.head = nn.Conv2d(6, 7, 1), nn.Conv2d(9, 7, 1), conv(7, 5), Head(5)

    def forward(self, x):
        a = self.a(x)
        b = self.right(self.b(a))
        return self.head(self.last(self.left(a) + F.interpolate(b, scale_factor=2.0, mode="nearest")))


class Gated(nn.Module):
    """One layer makes values and their gates."""

    def __init__(self):
        super().__init__()
        self.a, self.wide, self.narrow, self.fc = nn.Linear(6, 8), nn.Linear(8, 20), nn.Linear(10, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = self.a(x.mean((2, 3)).repeat(1, 2))
        value, gate = self.wide(x).chunk(2, -1)
        return self.fc(x + self.narrow(value * F.silu(gate)))


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 9), nn.GELU(), nn.Linear(9, width, bias=False))

    def forward(self, x):
        return x + self.mlp(self.norm(x))


class Twins(nn.Module):
    """Layers that begin alike, as copies of one do: the older exporter stores their weights once."""

    def __init__(self):
        super().__init__()
        self.stem, self.head = conv(3, 6, stride=4), nn.Linear(6, 3)
        block = Block(6)
        self.blocks = nn.Sequential(block, copy.deepcopy(block))

    def forward(self, x):
        return self.head(self.blocks(self.stem(x).flatten(2).transpose(1, 2)).mean(1))


class Shifted(nn.Module):
    """Attention within windows that were shifted: the mask is written part by part, and lies on scores with the windows apart."""

    def __init__(self, width=8, heads=2):
        super().__init__()
        self.stem, self.qkv, self.proj, self.head = nn.Conv2d(3, width, 2, stride=2), nn.Linear(width, 3 * width), nn.Linear(width, width), nn.Linear(width, 3)
        self.heads, self.bias = heads, nn.Parameter(torch.randn(1, heads, 4, 4))

    def forward(self, x):
        x = torch.roll(self.stem(x).permute(0, 2, 3, 1), (-1, -1), (1, 2))
        b, h, w, c = x.shape
        windows = lambda x: x.view(-1, h // 2, 2, w // 2, 2, x.shape[-1]).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, x.shape[-1])
        region = x.new_zeros((h, w))
        region[:, -1] = 1.0
        region[-1] = 2.0
        region = windows(region[None, :, :, None]).squeeze(-1)
        mask = region[:, None] - region[:, :, None]
        mask = mask.masked_fill(mask != 0, -100.0)
        q, k, v = self.qkv(windows(x)).reshape(-1, 4, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1) + self.bias
        count = mask.shape[0]
        scores = (scores.view(-1, count, self.heads, 4, 4) + mask[None, :, None]).view(-1, self.heads, 4, 4).softmax(-1)
        x = self.proj((scores @ v).transpose(1, 2).reshape(-1, 4, c))
        return self.head(x.view(b, -1, c).mean(1))


class Named(nn.Module):
    """Attention whose products name their axes, under a causal mask."""

    def __init__(self, width=6, heads=2):
        super().__init__()
        self.a, self.q, self.k, self.v = nn.Conv2d(3, width, 4, stride=4), nn.Linear(width, 8), nn.Linear(width, 8), nn.Linear(width, 8)
        self.o, self.head, self.heads = nn.Linear(8, width), nn.Linear(width, 3), heads

    def forward(self, x):
        x = self.a(x).flatten(2).transpose(1, 2)
        q, k, v = [layer(x).unflatten(-1, (self.heads, -1)) for layer in (self.q, self.k, self.v)]
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) * 0.5
        scores = scores.masked_fill(torch.ones(4, 4, dtype=torch.bool).triu(1), float("-inf"))
        x = x + self.o(torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v).flatten(2))
        return self.head(x.mean(1))


class Open(nn.Module):
    """Lengths that are computed from the batch: of a token for each sample, and of a map that is resized to another."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, 2, 1), nn.Conv2d(8, 6, 1)
        self.token, self.wide, self.narrow, self.head = nn.Parameter(torch.randn(1, 1, 6)), nn.Linear(6, 10), nn.Linear(10, 6), nn.Linear(6, 3)

    def forward(self, x):
        x = F.relu(self.a(x))
        x = x + F.interpolate(self.c(F.relu(self.b(x))), size=x.shape[-2:], mode="nearest")
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        x = x + self.narrow(F.gelu(self.wide(x)))
        return self.head(x.mean(1))


MODELS = [Residual, Dense, Inception, Shuffle, Grouped, Squeeze, Flatten, LayerScale, Windows, Attention, Projections, Unet, Pyramid, Gated, Twins, Shifted, Named, Open]
BY_OLDER_EXPORTER = [Twins, Shifted, Named, Open]


def groups(model, x):
    graph = torch_pruning.DependencyGraph().build_dependency(model, example_inputs=x)
    names = {module: name for name, module in model.named_modules()}
    weights = lambda module: names[module] + (".in_proj_weight" if isinstance(module, nn.MultiheadAttention) else ".weight")
    found = []
    for group in graph.get_all_groups(root_module_types=[nn.modules.conv._ConvNd, nn.Linear]):
        sides = {True: set(), False: set()}
        for step, _ in group:
            module = step.target.module
            if isinstance(module, LAYERS):
                sides[graph.is_out_channel_pruning_fn(step.handler)].add(weights(module))
                if isinstance(module, nn.modules.conv._ConvNd) and module.groups == module.out_channels > 1:
                    [side.add(weights(module)) for side in sides.values()]
        found.append({"width": len(group[0].idxs), "out": sorted(sides[True]), "in": sorted(sides[False])})
    return found


def export(model, x, path):
    torch.onnx.export(model, (x,), path, dynamo=True, external_data=False, verbose=False)
    stored = onnx.load(path)
    keep = ("pkg.torch.onnx.fx_node", "pkg.torch.export.ExportedProgram.graph_signature")
    for holder in [stored, stored.graph, *stored.graph.node]:
        entries = [(entry.key, entry.value) for entry in holder.metadata_props if entry.key in keep]
        del holder.metadata_props[:]
        onnx.helper.set_model_props(holder, dict(entries))
    del stored.graph.value_info[:]
    onnx.save(stored, path)


def export_as_before(model, x, path):
    torch.onnx.export(model, (x,), path, dynamo=False, opset_version=16, input_names=["x"], dynamic_axes={"x": {0: "batch"}})


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    FOLDER.mkdir(exist_ok=True)
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)).mul(1000).round().div(1000)
    expected = {"x": x.flatten().mul(1000).round().int().tolist()}
    for make in MODELS:
        torch.manual_seed(20190601)
        name, model = make.__name__.lower(), make().eval()
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2.0), norm.weight.data.uniform_(0.5, 2.0), norm.bias.data.normal_()
        y = model(x).detach()
        found = None if make is Shuffle else groups(model, x)
        expected[name] = {"y": [round(v, 5) for v in y.flatten().tolist()], "groups": found}
        (export_as_before if make in BY_OLDER_EXPORTER else export)(model, x, FOLDER / f"{name}.onnx")
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in expected.items())
    (FOLDER / "expected.json").write_text("{\n" + lines + "\n}\n")
