#!/usr/bin/env bash
# Run the demo hub, or with CHECK=1 the story by itself. Called by `make demo`, which builds what is needed.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD
export SHARE_PROXY=$here/bin/share-proxy

if [ -n "${CHECK:-}" ]; then
  cd deploy/e2e
  exec go run ./cmd/story -venv "$HUB_VENV" -config "$here/deploy/demo/jupyterhub_config.py" -folder "$here/build/demo-check" -log "$here/build/demo.log"
fi

mkdir -p build/demo/home
cd build/demo
export PATH="$HUB_VENV/bin:$PATH"
cat <<'TEXT'

  JupyterHub with share-proxy in front:  http://127.0.0.1:8000   (Ctrl-C ends it)

  Log in as alice, bob, carol or admin; any password will do. Use one browser for alice and a private window for bob.

  1  alice starts her server and opens a notebook.
  2  bob opens http://127.0.0.1:8000/user/alice/ and is refused.
  3  alice shares: in JupyterLab's Share dialog (top right, "Share with people or groups"), bob.
  4  bob opens the address again, opens the notebook and a terminal, and runs something long, such as:
         import time
         for n in range(10**6): print(n); time.sleep(.1)
  5  alice revokes in the same dialog. bob's output stops before her click has an answer; reload bob's page to read why.

  `make demo CHECK=1` plays this by itself and prints the milliseconds.

TEXT
exec jupyterhub -f "$here/deploy/demo/jupyterhub_config.py" --log-level=WARN
