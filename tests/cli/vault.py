"""A saga with secrets in every place where one can be; all are called hunter-something."""

from __future__ import annotations

from dataclasses import dataclass

from sagacity import ActionFailed, Context, Secret, action, saga


@dataclass
class Login:
    """Whose account; `fails` is the node that fails, if any."""

    user: str
    password: Secret[str]
    fails: str = ""


@action
async def log_in(ctx: Context, login: Login, salt: Secret[str]) -> Secret[str]:
    return Secret(f"hunter-token of {login.password.reveal()} {salt.reveal()}")


@log_in.undo
async def log_out(ctx: Context, token: Secret[str] | None) -> None:
    if token is not None:
        assert token.reveal().startswith("hunter"), "it is not what it was"


@action(no_undo="ask")
async def store(ctx: Context, login: Login, token: Secret[str]) -> list[Secret[int]]:
    if login.fails == "store":
        raise ActionFailed("it is locked", {"token": token, "user": login.user})
    if login.fails == "unknown":
        raise ConnectionError("the line is cut")
    return [Secret(6660666)]


@saga
def fill(login: Login) -> list[Secret[int]]:
    return store.node(login, log_in.node(login, login.password))


@saga(dynamic=True)
def fill_salted(login: Login) -> list[Secret[int]]:
    return store.node(login, log_in.node(login, Secret("hunter-salt")))
