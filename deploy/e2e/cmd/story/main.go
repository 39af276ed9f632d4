// Command story plays the demo by itself: alice shares her server with bob, revokes, and so on, with real clients against a
// real JupyterHub. It prints a timeline in milliseconds and exits 1 when something is not as promised.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/jupyterhub-share-proxy/share-proxy/deploy/e2e/rig"
)

func main() {
	venv := flag.String("venv", "", "virtual environment with jupyterhub")
	config := flag.String("config", "", "the demo's jupyterhub_config.py")
	folder := flag.String("folder", "", "folder of the hub; emptied first")
	log := flag.String("log", "", "where the hub's log is copied to at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := run(ctx, *venv, *config, *folder, *log); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		os.Exit(1)
	}
	fmt.Println("\nas promised")
}

func run(ctx context.Context, venv, config, folder, log string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	fmt.Println("starting JupyterHub with share-proxy at http://127.0.0.1:8000 ...")
	// Port 8000 is the configuration's own.
	h, err := rig.Start(ctx, rig.Options{Venv: venv, Config: config, Dir: folder, Port: 8000})
	if err != nil {
		return err
	}
	defer func() {
		h.Shutdown()
		_ = os.Rename(filepath.Join(folder, "hub.log"), log)
	}()
	return play(ctx, h)
}

// story is what has been reached so far.
type story struct {
	ctx        context.Context
	began      time.Time
	alice, bob *rig.Visit
	watching   *rig.Kernel // alice's own socket
	kernel     string
	faults     []string
}

// say prints one line of the timeline.
func (s *story) say(at time.Time, format string, args ...any) {
	fmt.Printf("%9.1f ms  %s\n", ms(at.Sub(s.began)), fmt.Sprintf(format, args...))
}

// check remembers what is not as promised.
func (s *story) check(ok bool, format string, args ...any) {
	if !ok {
		s.faults = append(s.faults, fmt.Sprintf(format, args...))
	}
}

func play(ctx context.Context, h *rig.Hub) error {
	s := &story{ctx: ctx, began: time.Now()}
	if err := s.prepare(h); err != nil {
		return err
	}
	fmt.Println()
	s.began = time.Now()
	if err := s.revokeOne(); err != nil {
		return err
	}
	fmt.Println()
	if err := s.revokeAll(); err != nil {
		return err
	}
	fmt.Println()
	if err := s.grantAgain(); err != nil {
		return err
	}
	s.check(s.watching.Tape.Missing() == 0, "alice lost %d messages", s.watching.Tape.Missing())
	s.say(time.Now(), "alice    received %d messages meanwhile, lost %d", s.watching.Tape.Count(), s.watching.Tape.Missing())
	if len(s.faults) > 0 {
		return fmt.Errorf("%d not as promised: %q", len(s.faults), s.faults)
	}
	return nil
}

// prepare logs both in and starts alice's server with a kernel that prints a numbered line every 5 ms.
func (s *story) prepare(h *rig.Hub) error {
	alice, bob := h.Person("alice"), h.Person("bob")
	for _, user := range []*rig.User{alice, bob} {
		if err := user.Login(s.ctx); err != nil {
			return err
		}
	}
	s.say(time.Now(), "alice and bob are logged in")
	if _, err := alice.Navigate(s.ctx, "/hub/spawn/alice"); err != nil {
		return err
	}
	if err := s.enterAlice(alice); err != nil {
		return err
	}
	s.say(time.Now(), "alice's server runs")
	refused, err := bob.Navigate(s.ctx, "/user/alice/lab")
	if err != nil {
		return err
	}
	s.check(refused.Status == http.StatusForbidden, "bob without a share: %d", refused.Status)
	s.say(time.Now(), "bob      tries alice's server: %d", refused.Status)
	if s.kernel, err = s.alice.NewKernel(s.ctx); err != nil {
		return err
	}
	if s.watching, err = s.alice.OpenKernel(s.ctx, s.kernel); err != nil {
		return err
	}
	if err := s.watching.StartTicks(s.ctx, filepath.Join(h.Dir, "kernel.book")); err != nil {
		return err
	}
	s.bob = &rig.Visit{User: bob, Server: s.alice.Server}
	return nil
}

// enterAlice waits until alice's server answers with its page.
func (s *story) enterAlice(alice *rig.User) error {
	var err error
	for range 300 {
		if s.alice, err = alice.Enter(s.ctx, "alice", ""); err == nil {
			return nil
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return err
}

// call is a call of alice's share dialog.
func (s *story) call(method string, body any) (*rig.Answer, error) {
	answer, err := s.alice.HubCall(s.ctx, method, "shares/alice/", body)
	if err == nil && answer.Status >= 300 {
		err = fmt.Errorf("%s shares/alice/: %d %s", method, answer.Status, answer.Body)
	}
	return answer, err
}

var justBob = map[string]any{"user": "bob"}

// letIn grants bob access, and opens his kernel socket.
func (s *story) letIn() (*rig.Kernel, error) {
	granted, err := s.call(http.MethodPost, justBob)
	if err != nil {
		return nil, err
	}
	s.say(granted.Head, "granted  alice shares her server with bob")
	for {
		visit, err := s.bob.Enter(s.ctx, "alice", "")
		if err == nil {
			s.bob = visit
			break
		}
		if time.Since(granted.Head) > 2*time.Second {
			return nil, err
		}
	}
	s.say(time.Now(), "in       bob's page is there, %.1f ms after the grant", ms(time.Since(granted.Head)))
	k, err := s.bob.OpenKernel(s.ctx, s.kernel)
	if err != nil {
		return nil, err
	}
	for k.Tape.Count() < 20 && !k.Wait(5*time.Millisecond) {
		continue
	}
	s.say(time.Now(), "open     bob's kernel socket brings %d lines so far", k.Tape.Count())
	return k, nil
}

// out waits until bob's socket is closed and looks at what came through.
func (s *story) out(k *rig.Kernel, answer *rig.Answer, limit time.Duration) {
	closed := k.Wait(limit + 2*time.Second)
	late := k.Tape.EmittedAfter(answer.Head)
	s.check(late == 0, "%d messages after the answer", late)
	s.check(closed, "the socket is still open")
	if closed {
		at, code, reason := k.End()
		s.check(at.Sub(answer.Head) < limit, "closed %.1f ms after the answer", ms(at.Sub(answer.Head)))
		s.say(at, "closed   code %d, %q, %.1f ms after the answer; messages after the answer: %d", code, reason, max(0, ms(at.Sub(answer.Head))), late)
	}
	next, err := s.bob.Do(s.ctx, http.MethodGet, s.bob.Server+"api/status", nil, "Authorization", "token "+s.bob.PageToken)
	s.check(err == nil && next.Status == http.StatusForbidden, "bob's next request: %v %v", next, err)
	if err == nil {
		s.say(next.Head, "refused  bob's next request: %d", next.Status)
	}
	k.Close()
}

// revokeOne: bob is out when alice's dialog has the answer.
func (s *story) revokeOne() error {
	k, err := s.letIn()
	if err != nil {
		return err
	}
	answer, err := s.call(http.MethodPatch, justBob)
	if err != nil {
		return err
	}
	s.say(answer.Head, "revoked  bob's share is taken away; the answer says %q", answer.Header.Get("Share-Proxy-Cut"))
	s.out(k, answer, 50*time.Millisecond)
	return nil
}

// revokeAll: everybody is held at once, and closed after the grace.
func (s *story) revokeAll() error {
	k, err := s.letIn()
	if err != nil {
		return err
	}
	answer, err := s.call(http.MethodDelete, nil)
	if err != nil {
		return err
	}
	s.say(answer.Head, "revoked  everybody's share is taken away; the answer says %q", answer.Header.Get("Share-Proxy-Cut"))
	last := k.Tape.LastStamp()
	s.say(answer.Head, "held     the last line that bob got was printed %.1f ms before the answer", ms(answer.Head.Sub(last)))
	s.out(k, answer, 350*time.Millisecond)
	return nil
}

// grantAgain: revoked and granted again within the grace, the same socket goes on.
func (s *story) grantAgain() error {
	k, err := s.letIn()
	if err != nil {
		return err
	}
	defer k.Close()
	answer, err := s.call(http.MethodDelete, nil)
	if err != nil {
		return err
	}
	s.say(answer.Head, "revoked  everybody's share is taken away; bob is held")
	time.Sleep(time.Until(answer.Head.Add(100 * time.Millisecond)))
	again, err := s.call(http.MethodPost, justBob)
	if err != nil {
		return err
	}
	s.say(again.Head, "granted  again, after 100 ms")
	before := k.Tape.Count()
	for k.Tape.Count() <= before && time.Since(again.Head) < 2*time.Second && !k.Wait(time.Millisecond) {
		continue
	}
	s.say(time.Now(), "goes on  the same socket")
	open := !k.Wait(400 * time.Millisecond)
	s.check(open, "the socket was closed")
	s.check(k.Tape.Missing() == 0, "bob lost %d messages", k.Tape.Missing())
	s.say(time.Now(), "open     %d lines, lost %d", k.Tape.Count(), k.Tape.Missing())
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
