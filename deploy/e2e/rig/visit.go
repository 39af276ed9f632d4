package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Visit is one person at one server: the cookies that login there left, and the token that JupyterLab's page carries.
type Visit struct {
	*User
	Server    string // path of the server, such as /user/alice/ or /user/alice/lab1/
	PageToken string
	Page      *Answer // the page that the visit began with
}

// ServerPath returns the path of a server; name is empty for the default server.
func (h *Hub) ServerPath(owner, name string) string {
	path := h.Base + "user/" + Escape(owner) + "/"
	if name != "" {
		path += Escape(name) + "/"
	}
	return path
}

var pageToken = regexp.MustCompile(`"token":\s*"([^"]+)"`)

// Enter opens a server's JupyterLab page, logging in at the server on the way. A page that is refused is an error; its
// answer is in Visit.Page all the same.
func (u *User) Enter(ctx context.Context, owner, name string) (*Visit, error) {
	v := &Visit{User: u, Server: u.Hub.ServerPath(owner, name)}
	page, err := u.Navigate(ctx, v.Server+"lab")
	if err != nil {
		return v, err
	}
	v.Page = page
	token := pageToken.FindStringSubmatch(page.Body)
	if page.Status != http.StatusOK || token == nil {
		return v, fmt.Errorf("%s at %s: %d, page without a token", u.Name, v.Server, page.Status)
	}
	v.PageToken = token[1]
	return v, nil
}

// StartServer starts a server at the Hub's internal address and waits until it runs.
func (h *Hub) StartServer(ctx context.Context, owner, name string) error {
	path := "users/" + Escape(owner)
	start := path + "/server"
	if name != "" {
		start += "s/" + Escape(name)
	}
	if err := h.Setup(ctx, http.MethodPost, start, nil, nil); err != nil {
		return err
	}
	return waitFor(ctx, 120*time.Second, func() error {
		var user struct {
			Servers map[string]struct{ Ready bool }
		}
		if err := h.Setup(ctx, http.MethodGet, path, nil, &user); err != nil {
			return err
		}
		if !user.Servers[name].Ready {
			return fmt.Errorf("server %s/%s is not ready", owner, name)
		}
		return nil
	})
}

// StopServer stops a server at the Hub's internal address, and removes a named one.
func (h *Hub) StopServer(ctx context.Context, owner, name string) error {
	path := "users/" + Escape(owner) + "/server"
	if name == "" {
		return h.Setup(ctx, http.MethodDelete, path, nil, nil)
	}
	return h.Setup(ctx, http.MethodDelete, path+"s/"+Escape(name), map[string]any{"remove": true}, nil)
}

// Call calls the server's REST API as JupyterLab does, with cookie and page token.
func (v *Visit) Call(ctx context.Context, method, path string, body, into any) (*Answer, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = strings.NewReader(string(text))
	}
	a, err := v.Do(ctx, method, v.Server+path, reader, "Authorization", "token "+v.PageToken,
		"Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "empty", "Origin", v.Hub.Public)
	if err != nil {
		return nil, err
	}
	if into != nil && a.Status < 300 {
		err = json.Unmarshal([]byte(a.Body), into)
	}
	return a, err
}

// HubCall calls the Hub's REST API as JupyterLab's share dialog does: a fetch from the page, with the page's token.
func (v *Visit) HubCall(ctx context.Context, method, path string, body any) (*Answer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return v.Do(ctx, method, v.Hub.Base+"hub/api/"+path, strings.NewReader(string(text)), "Authorization", "token "+v.PageToken,
		"Content-Type", "application/json", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "empty", "Origin", v.Hub.Public)
}

// Must is Call whose refusal is an error.
func (v *Visit) Must(ctx context.Context, method, path string, body, into any) error {
	a, err := v.Call(ctx, method, path, body, into)
	if err != nil {
		return err
	}
	if a.Status >= 300 {
		return fmt.Errorf("%s %s: %d: %.200s", method, path, a.Status, a.Body)
	}
	return nil
}
