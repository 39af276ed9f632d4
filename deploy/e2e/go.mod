// The real-client checks have a module of their own, so that the product's go.mod names only what the product needs.
module github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e

go 1.26.0

toolchain go1.27.2

require github.com/coder/websocket v1.8.15
