package rig

import (
	"context"
	_ "embed" // nginx's configuration
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

//go:embed nginx.conf.tmpl
var nginxConfig string

// startNginx starts nginx where the Hub and the visitors look for the proxy.
func (h *Hub) startNginx(ctx context.Context) error {
	folder := filepath.Join(h.Dir, "nginx")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var visitors, routes []string
	for _, r := range h.Replicas {
		visitors = append(visitors, strings.TrimPrefix(r.Public, "http://"))
		routes = append(routes, strings.TrimPrefix(r.API, "http://"))
	}
	t, err := template.New("nginx.conf").Parse(nginxConfig)
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(folder, "nginx.conf"))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := t.Execute(file, map[string]any{
		"Folder": folder, "Port": h.Port, "APIPort": h.apiPort, "Visitors": visitors, "Routes": routes, "Root": os.Getuid() == 0,
	}); err != nil {
		return err
	}
	// Debian keeps it where only root's PATH leads.
	nginx := "nginx"
	if _, err := os.Stat("/usr/sbin/nginx"); err == nil {
		nginx = "/usr/sbin/nginx"
	}
	if _, err := h.run("nginx.log", nginx, "-e", filepath.Join(folder, "error.log"), "-p", folder, "-c", file.Name()); err != nil {
		return err
	}
	return waitFor(ctx, 5*time.Second, func() error { return open(fmt.Sprintf("127.0.0.1:%d", h.apiPort)) })
}
