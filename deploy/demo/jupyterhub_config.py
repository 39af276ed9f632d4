"""A small hub with share-proxy in front, as `make demo` starts it. The first block is all that share-proxy needs."""

import os

c = get_config()  # noqa: F821

# --- share-proxy -------------------------------------------------------------------------------------------------
# JupyterHub starts the proxy by itself, as it starts configurable-http-proxy: say what to start, and that is all.
c.ConfigurableHTTPProxy.command = [os.environ.get("SHARE_PROXY", "share-proxy"), "serve"]
# -----------------------------------------------------------------------------------------------------------------

# Who may share: without these scopes nobody can grant anything (this is JupyterHub's, with any proxy).
c.JupyterHub.load_roles = [
    {
        "name": "user",
        "scopes": ["self", "shares!user", "read:users:name", "read:groups:name", "list:users", "list:groups"],
    }
]
# What JupyterLab's share dialog may do for the person in front of it.
c.Spawner.oauth_client_allowed_scopes = ["read:users:name", "read:groups:name", "list:users", "list:groups", "shares!user"]

# --- only for a demo: anyone may log in as anybody, and all servers run as you -------------------------------------
c.JupyterHub.bind_url = "http://127.0.0.1:8000"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:8081"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"admin"}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = os.path.join(os.getcwd(), "home", "{username}")
c.Spawner.args = ["--allow-root"]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = c.Spawner.http_timeout = 120
c.JupyterHub.allow_named_servers = True
