"""The same small API twice: built to keep tenants apart, and built on trust."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import jwt
import psycopg
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from tokens import LIFETIME_S, Caller, Issuer, trusting_verify, verify


class Pool:
    """A few connections, lent to any request of any tenant."""

    def __init__(self, url: str, size: int) -> None:
        self.idle: queue.Queue[psycopg.Connection] = queue.Queue()
        for _ in range(size):
            self.idle.put(psycopg.connect(url, autocommit=True))

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        connection = self.idle.get()
        try:
            yield connection
        finally:
            self.idle.put(connection)

    @contextmanager
    def tenant(self, tenant: str) -> Iterator[psycopg.Connection]:
        """One transaction that sees one tenant's rows; the setting ends with it."""
        with self.connection() as connection, connection.transaction():
            # SET LOCAL, in the form that takes a parameter.
            connection.execute("SELECT set_config('app.tenant', %s, true)", (tenant,))
            yield connection

    def close(self) -> None:
        while not self.idle.empty():
            self.idle.get().close()


def strict_app(pool: Pool, issuer: Issuer) -> FastAPI:
    app = FastAPI()

    @app.post("/oauth/token")
    async def token(
        request: Request, client: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]
    ) -> dict[str, str | int]:
        if (await request.body()) != b"grant_type=client_credentials":
            raise HTTPException(400, "unsupported_grant_type")
        token = issuer.client_credentials(client.username, client.password)
        if token is None:
            raise HTTPException(401, "invalid_client")
        return {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME_S}

    def caller(tenant: str, authorization: str = Header("")) -> Caller:
        try:
            who = verify(authorization.removeprefix("Bearer "), issuer.public_keys)
        except jwt.InvalidTokenError as error:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise HTTPException(401, str(error), challenge) from None
        if "documents:read" not in who.scopes:
            raise HTTPException(403, "insufficient_scope")
        if tenant != who.tenant:
            raise HTTPException(
                404
            )  # not 403: that would confirm that the tenant exists
        return who

    @app.get("/v1/tenants/{tenant}/documents/{number}")
    def read(number: int, who: Annotated[Caller, Depends(caller)]) -> str:
        with pool.tenant(who.tenant) as db:  # of the token, not of the path
            row = db.execute(
                "SELECT title FROM document WHERE id = %s", (number,)
            ).fetchone()
        if row is None:
            raise HTTPException(404)
        return row[0]

    return app


def trusting_app(pool: Pool, issuer: Issuer) -> FastAPI:
    app = FastAPI()

    @app.get("/v1/tenants/{tenant}/documents/{number}")
    def read(tenant: str, number: int, authorization: str = Header("")) -> str:
        try:
            trusting_verify(authorization.removeprefix("Bearer "), issuer.public_keys)
        except Exception:
            raise HTTPException(401) from None
        with pool.connection() as db:
            row = db.execute(
                "SELECT title FROM document WHERE id = %s", (number,)
            ).fetchone()
        if row is None:
            raise HTTPException(404)
        return row[0]

    return app


class Server:
    """uvicorn in a thread, on a free port of the loopback."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(app, port=0, log_level="error", lifespan="off")
        self.uvicorn = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.uvicorn.run, daemon=True)
        self.thread.start()
        while not self.uvicorn.started:
            self.thread.join(0.01)
        port = self.uvicorn.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self.uvicorn.should_exit = True
        self.thread.join()
