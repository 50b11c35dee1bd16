"""A multilayer perceptron on shifted 8 x 8 digits: data, training, and export as a plain ONNX graph."""

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
padded = F.pad(
    torch.tensor(digits.images[order.numpy()] / 16, dtype=torch.float32), (1, 1, 1, 1)
)
target = torch.tensor(digits.target)[order]


def views(part: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Each image at its nine shifts by at most one pixel; an image's shifts never straddle the split."""
    shifts = [
        padded[part, a : a + 8, b : b + 8].flatten(1)
        for a in range(3)
        for b in range(3)
    ]
    return torch.stack(shifts, 1).flatten(0, 1), target[part].repeat_interleave(9)


train_x, train_y = views(slice(0, 800))
test_x, test_y = views(slice(800, None))


def mlp(*widths: int, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = []
    for n_in, n_out in zip(widths, widths[1:]):
        layer = nn.Linear(n_in, n_out)
        nn.init.normal_(layer.weight, std=(2 / n_in) ** 0.5)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def linears(model: nn.Module) -> list[nn.Linear]:
    return [layer for layer in model if isinstance(layer, nn.Linear)]


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


def narrow(model: nn.Module, keep: int) -> nn.Module:
    """Structured pruning: keep the hidden neurons with the largest weights in and out; every matrix shrinks."""
    old, chosen = linears(model), torch.arange(64)
    small = mlp(64, keep, keep, 10)
    for i, new in enumerate(linears(small)):
        score = old[i].weight.norm(dim=1) * (
            old[i + 1].weight.norm(dim=0) if i + 1 < len(old) else 1
        )
        rows = score.topk(len(new.bias)).indices.sort().values
        new.weight.data, new.bias.data = (
            old[i].weight.data[rows][:, chosen],
            old[i].bias.data[rows],
        )
        chosen = rows
    return small


def students(
    arms: list[tuple[int, torch.Tensor]], seeds: int, hidden: int, steps: int
) -> np.ndarray:
    """Accuracy [arm, seed] of small networks, all trained at once; an arm is (images used, target probabilities).

    Each seed fixes the first weights, the order of the images and the batches for all arms alike.
    """
    rng = torch.Generator().manual_seed(0)
    total, images = len(arms) * seeds, len(train_x) // 9
    goal = torch.stack([soft for _, soft in arms]).repeat_interleave(seeds, 0)
    used = torch.tensor([n for n, _ in arms]).repeat_interleave(seeds)[:, None]
    order = torch.stack(
        [torch.randperm(images, generator=rng) for _ in range(seeds)]
    ).repeat(len(arms), 1)
    w, v = (
        torch.randn(seeds, *shape, generator=rng)
        .mul((2 / shape[0]) ** 0.5)
        .repeat(len(arms), 1, 1)
        .requires_grad_()
        for shape in ((64, hidden), (hidden, 10))
    )
    b, c = (torch.zeros(total, 1, n, requires_grad=True) for n in (hidden, 10))
    optimizer = torch.optim.Adam([w, v, b, c], 1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    rows = torch.arange(total)[:, None]

    def logits(x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x @ w + b) @ v + c

    for _ in range(steps):
        draw = torch.rand(2, seeds, 64, generator=rng).repeat(1, len(arms), 1)
        batch = order[rows, (draw[0] * used).long()] * 9 + (draw[1] * 9).long()
        loss = (
            -(logits(train_x[batch]).log_softmax(2) * goal[rows, batch])
            .sum(2)
            .mean(1)
            .sum()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        hits = (logits(test_x).argmax(2) == test_y).double().mean(1)
    return hits.reshape(len(arms), seeds).numpy()


def to_onnx(model: nn.Module, path: str, dtype: type = np.float32) -> str:
    """MatMul, Add, Relu per layer: the operators ONNX Runtime's quantisers look for."""
    kind, x, nodes, weights = (
        helper.np_dtype_to_tensor_dtype(np.dtype(dtype)),
        "x",
        [],
        [],
    )
    for i, layer in enumerate(linears(model)):
        weights += [
            numpy_helper.from_array(
                np.ascontiguousarray(t.detach().numpy().T.astype(dtype)), f"{name}{i}"
            )
            for name, t in (("w", layer.weight), ("b", layer.bias))
        ]
        nodes += [
            helper.make_node("MatMul", [x, f"w{i}"], [f"m{i}"], name=f"matmul{i}"),
            helper.make_node("Add", [f"m{i}", f"b{i}"], [f"a{i}"]),
            helper.make_node("Relu", [f"a{i}"], [f"h{i}"]),
        ]
        x = f"h{i}"
    nodes.pop()  # no activation after the last layer
    ends = [
        helper.make_tensor_value_info(n, kind, ["batch", None]) for n in ("x", f"a{i}")
    ]
    graph = helper.make_graph(nodes, "mlp", ends[:1], ends[1:], weights)
    onnx.save(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10
        ),
        path,
    )
    return path
