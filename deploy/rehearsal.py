"""A class of two before the class: one works, the other loops for ever and fills the memory.

    .venv/bin/python deploy/rehearsal.py ada kim          # asks for the passwords of two learners' accounts

The first runs lecture 01 alone, then again while the second keeps two kernels in an endless loop and a third
one fills the memory. It ends with 1 where the first was hindered: an error, a server or a kernel lost.
"""

import getpass
import json
import sys
import time
import uuid
from dataclasses import dataclass, field

import requests
import websocket

HUB = "http://127.0.0.1:8000"
LECTURE = "deep-learning-map/lectures/01_regression.ipynb"
LOOP = "while True: pass"
FILL = """
import numpy
held = []
while True:
    held.append(numpy.ones(2**25 // 8))  # 32 MB
"""


@dataclass
class Learner:
    """A learner at their browser: logged in, with a server of their own."""

    name: str
    web: requests.Session = field(default_factory=requests.Session)

    def enter(self, password: str) -> float:
        """Log in and start the server. Returns: the seconds it took. Raises RuntimeError."""
        begin = time.monotonic()
        self.web.get(f"{HUB}/hub/login").raise_for_status()
        xsrf = {"_xsrf": self.web.cookies.get("_xsrf", path="/hub/")}
        form = {"username": self.name, "password": password, **xsrf}
        if self.web.post(f"{HUB}/hub/login", data=form).status_code == 403:
            raise RuntimeError(f"{self.name} cannot log in: a wrong password, or not of the group learners")
        xsrf = {"X-XSRFToken": self.web.cookies.get("_xsrf", path="/hub/")}
        reply = self.web.post(
            f"{HUB}/hub/api/users/{self.name}/tokens", json={"expires_in": 3600}, headers=xsrf
        )
        reply.raise_for_status()
        self.web = requests.Session()
        self.web.headers["Authorization"] = f"token {reply.json()['token']}"
        if not self.ready():
            self.web.post(f"{HUB}/hub/api/users/{self.name}/server").raise_for_status()
        while not self.ready():
            if time.monotonic() - begin > 180:
                why = f"journalctl -u jupyter-{self.name}-singleuser says why"
                raise RuntimeError(f"the server of {self.name} does not start; {why}")
            time.sleep(0.5)
        return time.monotonic() - begin

    def ready(self) -> bool:
        """Whether the learner's server runs."""
        reply = self.web.get(f"{HUB}/hub/api/users/{self.name}")
        reply.raise_for_status()
        return reply.json()["servers"].get("", {}).get("ready", False)

    def ask(self, method: str, path: str, **options) -> requests.Response:
        """Ask the learner's own server."""
        reply = self.web.request(method, f"{HUB}/user/{self.name}/api/{path}", timeout=60, **options)
        reply.raise_for_status()
        return reply

    def kernel(self) -> "Kernel":
        return Kernel(self, self.ask("POST", "kernels").json()["id"])

    def cells(self, path: str) -> list[str]:
        """The code of a notebook."""
        notebook = self.ask("GET", f"contents/{path}").json()["content"]
        return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]

    def leave(self) -> None:
        self.web.delete(f"{HUB}/hub/api/users/{self.name}/server")


class Kernel:
    """A kernel, seen as JupyterLab sees it."""

    def __init__(self, learner: Learner, id: str) -> None:
        self.learner, self.id = learner, id
        address = f"{HUB}/user/{learner.name}/api/kernels/{id}/channels".replace("http", "ws", 1)
        header = [f"Authorization: {learner.web.headers['Authorization']}"]
        self.socket = websocket.create_connection(address, header=header, timeout=600)

    def send(self, code: str) -> str:
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "username": "",
            "session": self.id,
        }
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = {
            "header": header | {"version": "5.3"},
            "parent_header": {},
            "metadata": {},
            "channel": "shell",
        }
        self.socket.send(json.dumps(message | {"content": content}))
        return header["msg_id"]

    def run(self, code: str) -> str:
        """Run it to its end. Returns: "" or what went wrong in one line."""
        return self.wait(self.send(code))

    def wait(self, id: str) -> str:
        while True:
            message = json.loads(self.socket.recv())
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "execute_reply" and message["parent_header"].get("msg_id") == id:
                return "" if content["status"] == "ok" else f"{content.get('ename')}: {content.get('evalue')}"
            if kind == "status" and content["execution_state"] in ("restarting", "dead"):
                return "the kernel died"


def lesson(learner: Learner) -> tuple[float, Kernel]:
    """Run lecture 01 as a whole. Returns: the seconds, the kernel. Raises RuntimeError."""
    kernel, begin = learner.kernel(), time.monotonic()
    for cell in learner.cells(LECTURE):
        if error := kernel.run(cell):
            raise RuntimeError(f"{learner.name} was hindered: {error}")
    return time.monotonic() - begin, kernel


def main(names: list[str]) -> None:
    if len(names) != 2:
        raise RuntimeError("give the names of two learners' accounts: rehearsal.py ada kim")
    works, troubles = map(Learner, names)
    for learner in (works, troubles):
        password = getpass.getpass(f"password of {learner.name}: ") if sys.stdin.isatty() else input()
        print(f"{learner.name}: logged in, server ready after {learner.enter(password):.0f} s")
    seconds, kernel = lesson(works)
    kernel.run("kept = 42")
    print(f"{works.name}: lecture 01 alone took {seconds:.0f} s")
    loops = [troubles.kernel() for _ in range(2)]
    for loop in loops:
        loop.send(LOOP)
    filler = troubles.kernel()
    filled = filler.send(FILL)
    print(f"{troubles.name}: two kernels loop for ever, a third fills the memory")
    seconds, _ = lesson(works)
    print(f"{works.name}: lecture 01 beside it took {seconds:.0f} s")
    print(f"{troubles.name}: the memory ended with: {filler.wait(filled)}")
    if error := kernel.run("assert kept == 42"):
        raise RuntimeError(f"{works.name} lost a kernel: {error}")
    begin = time.monotonic()
    troubles.ask("POST", f"kernels/{loops[0].id}/interrupt")
    troubles.ask("GET", "contents")
    print(f"{troubles.name}: the server answers, a loop was interrupted, in {time.monotonic() - begin:.1f} s")
    if error := troubles.kernel().run("1 + 1"):
        raise RuntimeError(f"{troubles.name} cannot go on: {error}")
    for learner in (works, troubles):
        learner.leave()
    print("right: one worked on, the other can go on")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (RuntimeError, requests.RequestException, websocket.WebSocketException) as error:
        sys.exit(f"✗ {error}")
