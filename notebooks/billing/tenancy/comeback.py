"""A tenant that was idle, or was served ahead of the others, comes back to a fair queue."""

from fairness import FairQueue, Request


def share_on_return(waiting: int) -> float:
    """Of a tenant back after 1,000 tokens served to another, of whose requests some still wait."""
    queue, tokens = FairQueue(), {"early": 0, "late": 0}
    for _ in range(50):
        queue.push(Request("early", 0, prompt=100, output=1))
    for served in range(90 - waiting):
        if served == 50 - waiting:  # the return: both now have 50 requests or more
            for _ in range(50):
                queue.push(Request("late", 0, prompt=300, output=1))
                queue.push(Request("early", 0, prompt=100, output=1))
            tokens = {"early": 0, "late": 0}
        request = queue.pop()
        queue.charge(request.tenant, request.prompt)
        tokens[request.tenant] += request.prompt
    return tokens["late"] / sum(tokens.values())


def first_after_debt() -> set[str]:
    """Whose requests go first where early was served 5,000 tokens ahead, emptied its queue, and is back."""
    queue = FairQueue()
    for _ in range(30):
        queue.push(Request("late", 0, prompt=100, output=1))
    queue.push(Request("early", 0, prompt=5_000, output=1))
    for _ in range(2):
        request = queue.pop()
        queue.charge(request.tenant, request.prompt)
    firsts = []
    for _ in range(20):
        queue.push(Request("early", 0, prompt=100, output=1))
        firsts.append(queue.pop().tenant)
        queue.charge(firsts[-1], 100)
    return set(firsts)
