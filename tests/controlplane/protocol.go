package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
)

// Bounds on what a request may carry; a client certificate must fit in one TLS record.
const (
	maxNameBytes = 253
	maxGroups    = 64
)

// A request is one line on stdin.
type request struct {
	Op     string   `json:"op"`
	Name   string   `json:"name"`
	Dir    string   `json:"dir,omitempty"`
	Bind   string   `json:"bind,omitempty"`
	Port   int      `json:"port,omitempty"`
	Node   bool     `json:"node,omitempty"`
	Audit  bool     `json:"audit,omitempty"`
	User   string   `json:"user,omitempty"`
	Groups []string `json:"groups,omitempty"`
}

// An answer is one line on stdout.
type answer struct {
	OK         bool    `json:"ok"`
	Op         string  `json:"op,omitempty"`
	Name       string  `json:"name,omitempty"`
	Server     string  `json:"server,omitempty"`
	Port       int     `json:"port,omitempty"`
	Kubeconfig string  `json:"kubeconfig,omitempty"`
	CA         string  `json:"ca,omitempty"`
	Seconds    float64 `json:"seconds,omitempty"`
	Error      string  `json:"error,omitempty"`
}

// serve answers the requests in order. It returns only when an answer cannot be written.
func serve(clusters *clusters, lines <-chan []byte, out io.Writer) error {
	encoder := json.NewEncoder(out)
	for line := range lines {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := encoder.Encode(handle(clusters, line)); err != nil {
			return fmt.Errorf("writing an answer to stdout: %w", err)
		}
	}
	return nil
}

func handle(clusters *clusters, line []byte) answer {
	var req request
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&req); err != nil {
		return answer{Error: fmt.Sprintf("the request is not one JSON object of known fields: %v", err)}
	}
	ans, err := dispatch(clusters, req)
	if err != nil {
		return answer{Op: req.Op, Name: req.Name, Error: err.Error()}
	}
	ans.OK, ans.Op, ans.Name = true, req.Op, req.Name
	return ans
}

func dispatch(clusters *clusters, req request) (answer, error) {
	if err := req.validate(); err != nil {
		return answer{}, err
	}
	switch req.Op {
	case "start":
		return clusters.start(req)
	case "stop":
		return answer{}, clusters.stop(req.Name)
	case "kubeconfig":
		return clusters.kubeconfig(req)
	default:
		return answer{}, fmt.Errorf("op is %q, expected start, stop or kubeconfig", req.Op)
	}
}

func (r *request) validate() error {
	if r.Name == "" || len(r.Name) > maxNameBytes {
		return fmt.Errorf("name has %d bytes, expected 1 to %d", len(r.Name), maxNameBytes)
	}
	switch r.Op {
	case "start":
		return r.validateStart()
	case "kubeconfig":
		return r.validateKubeconfig()
	default:
		return nil
	}
}

func (r *request) validateStart() error {
	if !filepath.IsAbs(r.Dir) {
		return fmt.Errorf("dir is %q, expected an absolute path", r.Dir)
	}
	if r.Bind == "" {
		r.Bind = "127.0.0.1"
	}
	if net.ParseIP(r.Bind) == nil {
		return fmt.Errorf("bind is %q, expected an IP address", r.Bind)
	}
	if r.Port < 0 || r.Port > 65535 {
		return fmt.Errorf("port is %d, expected 0 to 65535", r.Port)
	}
	return nil
}

func (r *request) validateKubeconfig() error {
	if r.User == "" || len(r.User) > maxNameBytes {
		return fmt.Errorf("user has %d bytes, expected 1 to %d", len(r.User), maxNameBytes)
	}
	if len(r.Groups) > maxGroups {
		return fmt.Errorf("groups has %d entries, expected at most %d", len(r.Groups), maxGroups)
	}
	for _, group := range r.Groups {
		if group == "" || len(group) > maxNameBytes {
			return fmt.Errorf("a group has %d bytes, expected 1 to %d", len(group), maxNameBytes)
		}
		if strings.TrimSpace(group) == "system:masters" {
			return errors.New("group system:masters passes every check without asking RBAC, so it is never issued: bind a role instead")
		}
	}
	return nil
}
