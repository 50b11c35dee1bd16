"""Our verifier beside the one in Stripe's own library."""

from collections.abc import Callable

from signatures import BadSignature, verify
from stripe import SignatureVerificationError, WebhookSignature


def accepted(error: type[Exception], check: Callable, *arguments: object) -> bool:
    try:
        check(*arguments)
    except error:
        return False
    return True


class Referee:
    def __init__(self, secret: str, now: int) -> None:
        self.secret, self.now = secret, now

    def sign(self, text: str, secret: str | None = None, age: int = 0) -> str:
        secret = self.secret if secret is None else secret
        return WebhookSignature.generate_signature_header(text, secret, self.now - age)

    def verdicts(
        self, text: str, header: str, secret: str | None = None
    ) -> tuple[bool, bool]:
        """Does ours accept it; does Stripe's?"""
        secret = self.secret if secret is None else secret
        arguments = text.encode(), header, [secret], self.now
        stripes = SignatureVerificationError, WebhookSignature.verify_header
        return (
            accepted(BadSignature, verify, *arguments),
            accepted(*stripes, text, header, secret, 300),
        )
