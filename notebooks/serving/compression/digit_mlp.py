"""A perceptron on shifted 8 x 8 digits: data, training, pruning, export to ONNX."""

import itertools

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

WIDTH = 1024  # of both hidden layers
digits = load_digits()
order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
images = torch.tensor(digits.images, dtype=torch.float32)[order] / 16
padded = F.pad(images, (1, 1, 1, 1))
target = torch.tensor(digits.target)[order]


def views(part: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Each image at nine shifts of at most one pixel, all on one side of the split."""
    corners = itertools.product(range(3), repeat=2)
    shifts = [padded[part, a : a + 8, b : b + 8].flatten(1) for a, b in corners]
    return torch.stack(shifts, 1).flatten(0, 1), target[part].repeat_interleave(9)


train_x, train_y = views(slice(0, 800))
test_x, test_y = views(slice(800, 1300))


def mlp(*widths: int, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = []
    for n_in, n_out in itertools.pairwise(widths):
        layer = nn.Linear(n_in, n_out)
        nn.init.normal_(layer.weight, std=(2 / n_in) ** 0.5)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def linears(model: nn.Module) -> list[nn.Linear]:
    return [layer for layer in model if isinstance(layer, nn.Linear)]


def arrays(model: nn.Module) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight [input, output] and bias of each layer."""
    return [
        (layer.weight.detach().numpy().T, layer.bias.detach().numpy())
        for layer in linears(model)
    ]


def train(
    model: nn.Module, steps: int, soft: torch.Tensor | None = None, lr: float = 2e-3
) -> nn.Module:
    """Cross-entropy against the labels, or against a teacher's probabilities `soft`."""
    optimizer = torch.optim.Adam(model.parameters(), lr, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    pick = torch.Generator().manual_seed(0)
    goal = train_y if soft is None else soft
    for _ in range(steps):
        batch = torch.randint(len(train_x), (64,), generator=pick)
        optimizer.zero_grad()
        F.cross_entropy(model(train_x[batch]), goal[batch]).backward()
        optimizer.step()
        schedule.step()
    return model


def accuracy(model: nn.Module) -> float:
    with torch.no_grad():
        return (model(test_x).argmax(1) == test_y).double().mean().item()


# --8<-- [start:narrow]
def narrow(model: nn.Module, keep: int) -> nn.Module:
    """Keep the hidden neurons with the largest weights in and out; matrices shrink."""

    def strongest(inward: nn.Linear, outward: nn.Linear) -> torch.Tensor:
        score = inward.weight.norm(dim=1) * outward.weight.norm(dim=0)
        return score.topk(keep).indices.sort().values

    first, second, last = linears(model)
    kept_1, kept_2 = strongest(first, second), strongest(second, last)
    cuts = [
        (first.weight[kept_1], first.bias[kept_1]),
        (second.weight[kept_2][:, kept_1], second.bias[kept_2]),
        (last.weight[:, kept_2], last.bias),
    ]
    small = mlp(64, keep, keep, 10)
    for layer, (weight, bias) in zip(linears(small), cuts):
        layer.weight.data = weight.detach().clone()
        layer.bias.data = bias.detach().clone()
    return small


# --8<-- [end:narrow]


def students(
    arms: list[tuple[int, torch.Tensor]], seeds: int, hidden: int, steps: int
) -> np.ndarray:
    """Accuracy [arm, seed] of small networks, all trained at once in one batched product.

    An arm is (images used, target probabilities). A seed fixes the first weights,
    the order of the images and the batches for all arms alike.
    """
    rng = torch.Generator().manual_seed(0)
    n_arms, images = len(arms), len(train_x) // 9
    total = n_arms * seeds
    goal = torch.stack([target for _, target in arms]).repeat_interleave(seeds, 0)
    used = torch.tensor([n for n, _ in arms]).repeat_interleave(seeds)[:, None]
    orders = [torch.randperm(images, generator=rng) for _ in range(seeds)]
    order = torch.stack(orders).repeat(n_arms, 1)
    rows = torch.arange(total)[:, None]

    def start(n_in: int, n_out: int) -> torch.Tensor:
        w = torch.randn(seeds, n_in, n_out, generator=rng) * (2 / n_in) ** 0.5
        return w.repeat(n_arms, 1, 1).requires_grad_()

    w, v = start(64, hidden), start(hidden, 10)
    b = torch.zeros(total, 1, hidden, requires_grad=True)
    c = torch.zeros(total, 1, 10, requires_grad=True)
    optimizer = torch.optim.Adam([w, v, b, c], 1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)

    def logits(x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x @ w + b) @ v + c

    for _ in range(steps):
        image, shift = torch.rand(2, seeds, 64, generator=rng).repeat(1, n_arms, 1)
        batch = order[rows, (image * used).long()] * 9 + (shift * 9).long()
        log_p = logits(train_x[batch]).log_softmax(2)
        loss = -(log_p * goal[rows, batch]).sum(2).mean(1).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        hits = (logits(test_x).argmax(2) == test_y).double().mean(1)
    return hits.reshape(n_arms, seeds).numpy()


def to_onnx(model: nn.Module, path: str, dtype: type = np.float32) -> str:
    """MatMul, Add, Relu per layer: what ONNX Runtime's quantisers look for."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes, weights, x = [], [], "x"
    for i, (w, b) in enumerate(arrays(model)):
        weights += [
            numpy_helper.from_array(np.ascontiguousarray(w.astype(dtype)), f"w{i}"),
            numpy_helper.from_array(b.astype(dtype), f"b{i}"),
        ]
        nodes += [
            helper.make_node("MatMul", [x, f"w{i}"], [f"m{i}"], name=f"matmul{i}"),
            helper.make_node("Add", [f"m{i}", f"b{i}"], [f"a{i}"]),
            helper.make_node("Relu", [f"a{i}"], [f"h{i}"]),
        ]
        x = f"h{i}"
    nodes.pop()  # no activation after the last layer
    source = helper.make_tensor_value_info("x", kind, ["batch", None])
    result = helper.make_tensor_value_info(f"a{i}", kind, ["batch", None])
    graph = helper.make_graph(nodes, "mlp", [source], [result], weights)
    opset = [helper.make_opsetid("", 21)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path
