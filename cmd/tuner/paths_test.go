//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlacesOfCallersAreOnlyShown: a caller who says that its attempt ran in some
// folder of the server's own machine gets nothing read and nothing removed there.
func TestPlacesOfCallersAreOnlyShown(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	token, err := os.ReadFile(server.token)
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	secret := "the canary's secret"
	canary := func(parts ...string) string {
		dir := filepath.Join(append([]string{l.dir, "canary"}, parts...)...)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "stdout.log"), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	post := func(path, body string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.url+"/v1/projects/default/studies"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode > 201 {
			t.Fatalf("%s: %d %s %v", path, resp.StatusCode, b, err)
		}
		return string(b)
	}
	post("", `{"name":"s","objectives":[{"metric":"v","goal":"min"}],"budget":{"trials":9},"space":{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}}`)
	// One folder of any kind, and one that looks like that of the attempt.
	folders := []string{canary("home"), canary("default", "s", "1", "1")}
	for i, dir := range folders {
		reply := post("/s/leases", fmt.Sprintf(`{"worker":"w","executor":"local","node":%q}`, host))
		_, rest, _ := strings.Cut(reply, `"token":"`)
		lease, _, _ := strings.Cut(rest, `"`)
		post("/s/heartbeat", fmt.Sprintf(`{"worker":"w","beats":[{"trial":%d,"attempt":1,"token":%q,"state":"running","dir":%q,"handle":"{\"version\":1,\"dir\":\"%s\"}"}]}`, i, lease, dir, dir))
		post(fmt.Sprintf("/s/trials/%d/attempts/1/finish", i), fmt.Sprintf(`{"token":%q,"outcome":"completed","metrics":{"v":1},"dir":%q}`, lease, dir))
	}
	server.ends()
	log := l.run(l.command("log", "s", "0"))
	<-log.ended
	if out := log.shown.String(); strings.Contains(out, secret) || !strings.Contains(out, "no folder of an attempt") {
		t.Errorf("tuner log shows\n%s", out)
	}
	l.run(l.command("gc", "s", "--keep", "none")).exits(0)
	l.run(l.command("rm", "s", "-y")).exits(0)
	for _, dir := range folders {
		if b, err := os.ReadFile(filepath.Join(dir, "stdout.log")); err != nil || string(b) != secret {
			t.Errorf("%s: %q, %v", dir, b, err)
		}
	}
}
