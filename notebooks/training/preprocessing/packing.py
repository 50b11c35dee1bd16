"""How samples of different lengths fill sequences of one length."""

from bisect import bisect_left, insort


def best_fit(lengths: list[int], capacity: int) -> int:
    """Sequences needed when each sample goes whole where it leaves least room, longest first."""
    free: list[int] = []
    for length in sorted(lengths, reverse=True):
        fits = bisect_left(free, length)
        room = free.pop(fits) if fits < len(free) else capacity
        insort(free, room - length)
    return len(free)


def packed(lengths: list[int], capacity: int) -> int:
    """Positions computed when samples, none longer than a sequence, are packed."""
    return capacity * best_fit(lengths, capacity)


def padded(lengths: list[int], batch: int = 8) -> int:
    """Positions computed when every batch is padded to its longest sample."""
    batches = [lengths[i : i + batch] for i in range(0, len(lengths), batch)]
    return sum(len(b) * max(b) for b in batches)
