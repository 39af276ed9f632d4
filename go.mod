module github.com/jupyterhub-share-proxy/share-proxy

go 1.26.0

toolchain go1.27.2
