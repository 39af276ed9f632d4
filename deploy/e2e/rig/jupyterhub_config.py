"""The hub that the real-client checks run against. The rig fills in ports and folders by environment."""

import json
import os
import sys

c = get_config()  # noqa: F821
env = os.environ
folder = env["RIG_DIR"]

# share-proxy (or configurable-http-proxy, for reference figures) in front.
c.JupyterHub.bind_url = f"http://127.0.0.1:{env['RIG_PORT']}{env['RIG_BASE']}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{env['RIG_HUB_PORT']}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{env['RIG_API_PORT']}"
c.ConfigurableHTTPProxy.command = json.loads(env["RIG_PROXY"])
if env["RIG_EXTERNAL"] == "1":
    # The proxy and the user servers outlive a hub that is killed and started again.
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.auth_token = env["CONFIGPROXY_AUTH_TOKEN"]
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False

c.JupyterHub.db_url = f"sqlite:///{env['RIG_DATABASE']}/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{folder}/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = f"{folder}/proxy.pid"

c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"admin"}
# The check deletes users while they are logged in elsewhere, and they come back by logging in.
c.Authenticator.delete_invalid_users = True

c.JupyterHub.spawner_class = "simple"
c.JupyterHub.allow_named_servers = True
c.SimpleLocalProcessSpawner.home_dir_template = folder + "/home/{username}"
# window.jupyterapp lets the browser check open documents and terminals as a click would.
c.Spawner.args = ["--allow-root", "--ServerApp.iopub_msg_rate_limit=100000", "--LabApp.expose_app_in_browser=True"]
c.Spawner.default_url = "/lab"
c.LocalProcessSpawner.interrupt_timeout = 1  # seconds; a server with kernels takes 10 otherwise
c.Spawner.http_timeout = 120
c.Spawner.start_timeout = 120
c.Spawner.environment = {"RIG_MARK": env["RIG_MARK"], "SHELL": "/bin/sh", "JUPYTERHUB_SINGLEUSER_EXTENSION": "1"}
# What JupyterLab's share dialog needs in the token of its page.
c.Spawner.oauth_client_allowed_scopes = [
    "read:users:name", "read:groups:name", "list:users", "list:groups", "shares!user", "users:shares!user",
]


def choose_program(spawner):
    """Named servers that begin with "rec" run the recorder, which writes down every request that reaches it."""
    if spawner.name.startswith("rec"):
        spawner.cmd = [sys.executable, env["RIG_RECORDER"]]
        spawner.args = []


c.Spawner.pre_spawn_hook = choose_program

c.JupyterHub.trust_user_provided_tokens = True
c.JupyterHub.services = [{"name": "setup", "api_token": env["RIG_TOKEN"], "admin": True}]
c.JupyterHub.load_groups = {"team": {"users": []}, "crew": {"users": []}}
c.JupyterHub.load_roles = [
    {
        "name": "user",
        "scopes": [
            "self", "shares!user", "users:shares!user", "read:users:shares!user",
            "read:users:name", "read:groups:name", "list:users", "list:groups",
        ],
    },
    # Access by a role on a group, so that a change of membership takes it away.
    {"name": "alice-helpers", "groups": ["team", "crew"], "scopes": ["access:servers!server=alice/"]},
]
