"""Conversations to token ids with SmolLM2's tokenizer, and the loss of an answer."""

import torch
import torch.nn.functional as F

START, END, NEWLINE = 1, 2, 198  # <|im_start|>, <|im_end|>, a line break


# --8<-- [start:encode]
def encode(tokenizer, messages: list[dict]) -> list[int]:
    """The prompt as ids: control tokens by number, whatever people wrote as plain text."""

    def plain(text: str) -> list[int]:
        return tokenizer(text, split_special_tokens=True)["input_ids"]

    ids = []
    for message in messages:
        head = [START, *plain(message["role"]), NEWLINE]
        ids += [*head, *plain(message["content"]), END, NEWLINE]
    return [*ids, START, *plain("assistant"), NEWLINE]


# --8<-- [end:encode]


# --8<-- [start:markers]
def trained_on_answers(template: str) -> str:
    """The same text, with the assistant's words and end of turn marked as generated."""
    turn = "message['content'] + '<|im_end|>'"
    marked = f"{{% generation %}}{{{{ {turn} }}}}{{% endgeneration %}}"
    spoken = f"{{% if message['role'] == 'assistant' %}}{marked}"
    spoken += f"{{% else %}}{{{{ {turn} }}}}{{% endif %}}"
    return template.replace(f"+ {turn} + '\n'}}}}", f"}}}}{spoken}{{{{ '\n' }}}}")


# --8<-- [end:markers]


@torch.no_grad()
def losses(model, ids: list[int], **options) -> torch.Tensor:
    """Loss of each token after the first, in nats."""
    logits = model(torch.tensor([ids]), **options).logits[0, :-1]
    return F.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")


def answer_losses(model, prompt: list[int], answer: list[int]) -> torch.Tensor:
    return losses(model, prompt + answer)[-len(answer) :]
