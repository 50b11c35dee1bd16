"""Conversations to token ids with SmolLM2's tokenizer, and the loss of an answer."""

import torch
import torch.nn.functional as F
from transformers import DataCollatorForLanguageModeling

START, END = 1, 2  # <|im_start|>, <|im_end|>


def prompt_ids(tokenizer, messages: list[dict], **options) -> list[int]:
    """The prompt as Transformers renders and tokenises it."""
    options |= {"add_generation_prompt": True, "return_dict": True}
    return tokenizer.apply_chat_template(messages, **options)["input_ids"]


def post(http, path: str, **body) -> dict:
    return http.post(path, json=body).json()


def trained_on_answers(template: str) -> str:
    """The same text, with the assistant's words and end of turn marked as generated."""
    turn = "message['content'] + '<|im_end|>'"
    marked = f"{{% generation %}}{{{{ {turn} }}}}{{% endgeneration %}}"
    spoken = f"{{% if message['role'] == 'assistant' %}}{marked}"
    spoken += f"{{% else %}}{{{{ {turn} }}}}{{% endif %}}"
    return template.replace(f"+ {turn} + '\n'}}}}", f"}}}}{spoken}{{{{ '\n' }}}}")


@torch.no_grad()
def losses(model, ids: list[int], keep: int = 0, **options) -> torch.Tensor:
    """Loss in nats of the last `keep` tokens, or of each after the first."""
    keep = keep or len(ids) - 1
    logits = model(torch.tensor([ids]), logits_to_keep=keep + 1, **options).logits[
        0, :-1
    ]
    return F.cross_entropy(logits, torch.tensor(ids[-keep:]), reduction="none")


def packed_losses(model, parts: list[list[int]], **options) -> torch.Tensor:
    """The same when the parts stand in one sequence in which positions restart, no cache."""
    ids = torch.tensor([token for part in parts for token in part])
    position = torch.cat([torch.arange(len(part)) for part in parts])
    options = {"position_ids": position[None], "use_cache": False} | options
    return losses(model, ids.tolist(), **options)[position[1:] > 0]


def answer_loss(model, tokenizer, prompt: str, answer: str) -> float:
    """Mean loss of the answer's tokens and the end token."""
    target = [*tokenizer(answer)["input_ids"], END]
    ids = tokenizer(prompt)["input_ids"] + target
    return losses(model, ids, keep=len(target)).mean().item()


def ends_learnt(tokenizer, samples: list[dict], pad: str) -> int:
    """End tokens that keep their label when the general collator pads with this token."""
    tokenizer.pad_token = pad
    collate = DataCollatorForLanguageModeling(tokenizer, mlm=False)
    labels = collate([{"input_ids": s["input_ids"]} for s in samples])["labels"]
    return int((labels == END).sum())
