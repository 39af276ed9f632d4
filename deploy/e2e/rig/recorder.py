"""A user server that writes down every request that reaches it: one JSON line each, in $HOME/requests.jsonl.

It asks for a login like any Jupyter server, by JupyterHub's own classes. The line is written before the login is looked at,
so a request that was refused only here is in the file too.
"""

import json
import os
import time
from pathlib import Path
from urllib.parse import urlparse

from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from jupyterhub.utils import url_path_join
from tornado import httpserver, ioloop, web

prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
book = open(Path.home() / "requests.jsonl", "a", buffering=1)


def note(**line):
    book.write(json.dumps({"at": time.time_ns(), **line}) + "\n")


class Any(HubOAuthenticated, web.RequestHandler):
    def prepare(self):
        note(method=self.request.method, uri=self.request.uri, headers=dict(self.request.headers))

    @web.authenticated
    def get(self):
        self.write({"you": self.current_user["name"], "headers": dict(self.request.headers)})


@web.stream_request_body
class Upload(web.RequestHandler):
    """Notes each piece of a body when it arrives, so that a test sees which bytes got through."""

    def prepare(self):
        note(method=self.request.method, uri=self.request.uri, upload="begins")

    def data_received(self, chunk):
        note(upload="piece", text=chunk.decode("latin-1"))

    def on_connection_close(self):
        note(upload="broken off")

    def post(self):
        note(upload="complete")


app = web.Application(
    [(url_path_join(prefix, "oauth_callback"), HubOAuthCallbackHandler), (url_path_join(prefix, "upload"), Upload), (".*", Any)],
    cookie_secret=os.urandom(32),
)
where = urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
httpserver.HTTPServer(app, max_body_size=1 << 30).listen(where.port, where.hostname)
ioloop.IOLoop.current().start()
