"""The platform as seen from outside: its customers, and the payment provider."""

import hmac
import itertools
import json
import time

import httpx


class Client:
    def __init__(self, gateways: list[str], psp_secret: str) -> None:
        limits = httpx.Limits(max_connections=64)
        self.http = httpx.Client(timeout=30, limits=limits)
        self.gateways = itertools.cycle(gateways)  # take turns
        self.psp_secret = psp_secret
        self.collected: dict[str, int] = {}  # cents by event: the provider's own report

    def sign_up(self, name: str) -> dict:
        url = next(self.gateways) + "/v1/signup"
        return self.http.post(url, params={"name": name}).json()

    def call(
        self, api_key: str | None, model: str, body: dict, key: str
    ) -> httpx.Response:
        url, headers = self.address(api_key, model, key)
        return self.http.post(url, json=body, headers=headers)

    def stream(self, api_key: str, body: dict, key: str):
        """A context: leaving it hangs up."""
        url, headers = self.address(api_key, "generate", key)
        body = body | {"stream": True}
        return self.http.stream("POST", url, json=body, headers=headers)

    def address(self, api_key: str | None, model: str, key: str) -> tuple[str, dict]:
        headers = {"Idempotency-Key": key}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        path = {"generate": "completions", "vision": "vision"}[model]
        return f"{next(self.gateways)}/v1/{path}", headers

    def bill(self, api_key: str) -> dict:
        headers = {"Authorization": f"Bearer {api_key}"}
        return self.http.get(next(self.gateways) + "/v1/bill", headers=headers).json()

    def pay(
        self, event: str, customer: int, cents: int, secret: str = "", age: int = 0
    ) -> httpx.Response:
        """The payment provider reports a payment: a signed webhook."""
        body = json.dumps({"id": event, "customer": customer, "cents": cents}).encode()
        if not secret and not age:
            self.collected[event] = cents
        at = str(int(time.time()) - age)
        signed = at.encode() + b"." + body
        signature = hmac.new((secret or self.psp_secret).encode(), signed, "sha256")
        return self.http.post(
            next(self.gateways) + "/webhooks/payment",
            content=body,
            headers={"timestamp": at, "signature": signature.hexdigest()},
        )
