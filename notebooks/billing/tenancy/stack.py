"""PostgreSQL with two tenants' documents, and both services in front of it."""

from pathlib import Path

import httpx
import pandas as pd
import psycopg
from local_postgres import start_postgres
from service import Pool, Server, strict_app, trusting_app
from tokens import Issuer


class Stack:
    def __init__(self) -> None:
        (self.url,), self.stop_postgres = start_postgres("tenancy")
        self.superuser = psycopg.connect(self.url, autocommit=True)
        self.superuser.execute(Path("schema.sql").read_text())
        self.superuser.execute(
            """INSERT INTO document (tenant, title) VALUES ('acme', 'price list'),
               ('acme', 'contract'), ('blue', 'merger with acme'), ('blue', 'salaries')"""
        )
        self.issuer = Issuer()
        self.issuer.register("acme-backend", "s3cret", "acme", "documents:read")
        self.pool = Pool(self.url_of("app"), 2)
        self.superusers_pool = Pool(self.url, 1)
        self.strict = Server(strict_app(self.pool, self.issuer))
        self.trusting = Server(trusting_app(self.superusers_pool, self.issuer))
        self.http = httpx.Client()

    def url_of(self, role: str) -> str:
        return self.url.replace("user=postgres", f"user={role}")

    def document(self, title: str) -> int:
        """Its number, whoever's it is."""
        query = "SELECT id FROM document WHERE title = %s"
        return self.superuser.execute(query, (title,)).fetchone()[0]

    def token(self, client: str, secret: str) -> httpx.Response:
        form = {"grant_type": "client_credentials"}
        address = self.strict.url + "/oauth/token"
        return self.http.post(address, data=form, auth=(client, secret))

    def read(
        self, server: Server, token: str, tenant: str, number: int
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        address = f"{server.url}/v1/tenants/{tenant}/documents/{number}"
        return self.http.get(address, headers=headers)

    def attack(self, attempts: dict[str, tuple[str, str]], number: int) -> pd.DataFrame:
        """What both services answer to each token and tenant in the path: a status or the title."""
        answers = {}
        for name, (token, tenant) in attempts.items():
            both = [
                self.read(s, token, tenant, number)
                for s in (self.strict, self.trusting)
            ]
            answers[name] = [a.json() if a.is_success else a.status_code for a in both]
        return pd.DataFrame(answers, ["strict", "trusting"]).T

    def stop(self) -> None:
        self.http.close()
        self.strict.stop()
        self.trusting.stop()
        self.pool.close()
        self.superusers_pool.close()
        self.superuser.close()
        self.stop_postgres()
