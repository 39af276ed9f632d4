package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// User is one person's browser, or program, at a hub: cookies, and an API token where one was made.
// It may be used by several goroutines once the person is logged in.
type User struct {
	Name   string
	Hub    *Hub
	APIKey string // token of the Hub's API with all the person's rights; see NewAPIKey

	jar    *cookies
	client *http.Client
}

// Answer is an answer of the proxy whose body was read.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	Path   string    // path and query of the last request, where redirects were followed
	Head   time.Time // when the head had been read
}

// Person returns somebody who is not logged in.
func (h *Hub) Person(name string) *User {
	transport := &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}
	return &User{Name: name, Hub: h, jar: &cookies{}, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// OldTab returns the same person with the cookies of this moment, as a tab has them that goes on when another logs out.
func (u *User) OldTab() *User {
	tab := u.Hub.Person(u.Name)
	tab.jar, tab.APIKey = u.jar.clone(), u.APIKey
	return tab
}

// Cookies returns the Cookie header that the person's browser sends for a path.
func (u *User) Cookies(path string) string { return u.jar.header(path) }

// Send sends one request for a path (with query, escaped) with the person's cookies, and returns the answer with its
// body unread. Redirects are not followed.
func (u *User) Send(ctx context.Context, method, target string, body io.Reader, head ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.Hub.Public+target, body)
	if err != nil {
		return nil, err
	}
	if cookie := u.jar.header(req.URL.EscapedPath()); cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	for i := 0; i+1 < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	res, err := u.client.Do(req)
	if err != nil {
		return nil, err
	}
	u.jar.store(res.Header, time.Now())
	return res, nil
}

// Do is Send with the body read.
func (u *User) Do(ctx context.Context, method, target string, body io.Reader, head ...string) (*Answer, error) {
	res, err := u.Send(ctx, method, target, body, head...)
	if err != nil {
		return nil, err
	}
	at := time.Now()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: string(text), Path: target, Head: at}, err
}

// asNavigation are the headers of a browser that follows a link.
var asNavigation = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin", "Accept", "text/html"}

// Navigate goes to a page as a browser does: it follows redirects and confirms the Hub's question whether a server may know who one is.
func (u *User) Navigate(ctx context.Context, target string) (*Answer, error) {
	method, body := http.MethodGet, ""
	for range 20 {
		head := asNavigation
		if method == http.MethodPost {
			head = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Origin", u.Hub.Public}, head...)
		}
		a, err := u.Do(ctx, method, target, strings.NewReader(body), head...)
		if err != nil {
			return nil, err
		}
		method, body = http.MethodGet, ""
		switch location := a.Header.Get("Location"); {
		case a.Status >= 300 && a.Status < 400 && location != "":
			if target, err = u.resolve(target, location); err != nil {
				return nil, err
			}
		case a.Status == http.StatusOK && strings.HasPrefix(target, u.Hub.Base+"hub/api/oauth2/authorize"):
			method, body = http.MethodPost, formOf(a.Body).Encode()
		default:
			return a, nil
		}
	}
	return nil, errors.New("too many redirects")
}

func (u *User) resolve(from, location string) (string, error) {
	base, err := url.Parse(u.Hub.Public + from)
	if err != nil {
		return "", err
	}
	next, err := base.Parse(location)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(next.String(), u.Hub.Public), nil
}

var hiddenInput = regexp.MustCompile(`(?s)<input[^>]*type="hidden"[^>]*>`)
var inputName = regexp.MustCompile(`name="([^"]*)"`)
var inputValue = regexp.MustCompile(`value="([^"]*)"`)

// formOf returns the hidden fields of a page's forms.
func formOf(page string) url.Values {
	form := url.Values{}
	for _, input := range hiddenInput.FindAllString(page, -1) {
		name, value := inputName.FindStringSubmatch(input), inputValue.FindStringSubmatch(input)
		if name != nil && value != nil && !form.Has(name[1]) {
			form.Set(name[1], html.UnescapeString(value[1]))
		} else if name != nil && value != nil && name[1] != "_xsrf" {
			form.Add(name[1], html.UnescapeString(value[1]))
		}
	}
	return form
}

// Login logs in by the Hub's form. Any password does: the hub's authenticator is "dummy".
func (u *User) Login(ctx context.Context) error {
	page, err := u.Do(ctx, http.MethodGet, u.Hub.Base+"hub/login", nil, asNavigation...)
	if err != nil {
		return err
	}
	form := formOf(page.Body)
	form.Set("username", u.Name)
	form.Set("password", "any")
	a, err := u.Do(ctx, http.MethodPost, u.Hub.Base+"hub/login", strings.NewReader(form.Encode()),
		append([]string{"Content-Type", "application/x-www-form-urlencoded", "Origin", u.Hub.Public}, asNavigation...)...)
	if err != nil {
		return err
	}
	if a.Status != http.StatusFound {
		return fmt.Errorf("login of %s: %d", u.Name, a.Status)
	}
	return nil
}

// SubmitForm opens a page of the Hub and submits its form with what is filled in, and returns the answer to that.
func (u *User) SubmitForm(ctx context.Context, target string) (*Answer, error) {
	page, err := u.Do(ctx, http.MethodGet, target, nil, asNavigation...)
	if err != nil {
		return nil, err
	}
	if page.Status != http.StatusOK {
		return page, nil
	}
	return u.Do(ctx, http.MethodPost, target, strings.NewReader(formOf(page.Body).Encode()),
		append([]string{"Content-Type", "application/x-www-form-urlencoded", "Origin", u.Hub.Public}, asNavigation...)...)
}

// Logout logs out at the Hub and returns its answer.
func (u *User) Logout(ctx context.Context) (*Answer, error) {
	return u.Do(ctx, http.MethodGet, u.Hub.Base+"hub/logout", nil, asNavigation...)
}

// NewAPIKey makes an API token with all the person's rights, at the Hub's internal address.
func (u *User) NewAPIKey(ctx context.Context) error {
	var made struct{ Token string }
	err := u.Hub.Setup(ctx, http.MethodPost, "users/"+Escape(u.Name)+"/tokens", map[string]any{"note": "rig"}, &made)
	u.APIKey = made.Token
	return err
}

// API calls the Hub's REST API through the proxy with the person's API token. A nil body sends none.
func (u *User) API(ctx context.Context, method, path string, body any) (*Answer, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = strings.NewReader(string(text))
	}
	stranger := u.Hub.Person(u.Name) // a program sends no cookies
	stranger.client = u.client
	return stranger.Do(ctx, method, u.Hub.Base+"hub/api/"+path, reader, "Authorization", "token "+u.APIKey, "Content-Type", "application/json")
}

// Setup calls the Hub's REST API at its internal address, which no proxy sees, with all rights. into may be nil.
func (h *Hub) Setup(ctx context.Context, method, path string, body, into any) error {
	text := ""
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = string(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, h.Internal+h.Base+"hub/api/"+path, strings.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "token "+h.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
	}
	if into == nil || len(answer) == 0 {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// TokenID returns the id by which the Hub knows a user's token.
func (h *Hub) TokenID(ctx context.Context, token string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.Internal+h.Base+"hub/api/user", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "token "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var user struct {
		TokenID string `json:"token_id"`
	}
	return user.TokenID, json.NewDecoder(res.Body).Decode(&user)
}

// Escape spells a name as the Hub does in paths: everything but unreserved characters, @ and ~ is percent-encoded.
func Escape(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~@", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
