package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Deadlines: starting takes 3 to 6 s on two idle cores, stopping under 2 s. The factor leaves room for a machine that is
// building something else.
const (
	startDeadline = 120 * time.Second
	stopDeadline  = 60 * time.Second
)

// clusters holds what runs, by name. Only the one goroutine that serves requests touches the map.
type clusters struct {
	ctx     context.Context
	running map[string]*cluster
	// died carries the first component that ended without being asked to.
	died chan error
}

func newClusters(ctx context.Context) *clusters {
	return &clusters{ctx: ctx, running: map[string]*cluster{}, died: make(chan error, 1)}
}

func (c *clusters) start(req request) (answer, error) {
	if _, ok := c.running[req.Name]; ok {
		return answer{}, fmt.Errorf("cluster %q is already running", req.Name)
	}
	for name, other := range c.running {
		if other.dir == filepath.Clean(req.Dir) {
			return answer{}, fmt.Errorf("directory %s is in use by cluster %q", req.Dir, name)
		}
	}
	began := time.Now()
	cl, err := startCluster(c.ctx, req, c.reportDeath)
	if err != nil {
		return answer{}, fmt.Errorf("starting cluster %q in %s: %w", req.Name, req.Dir, err)
	}
	c.running[req.Name] = cl
	return answer{
		Server:     cl.server,
		Port:       cl.port,
		Kubeconfig: cl.adminKubeconfig,
		CA:         cl.pki.path("ca.crt"),
		Seconds:    time.Since(began).Seconds(),
	}, nil
}

func (c *clusters) stop(name string) error {
	cl, err := c.find(name)
	if err != nil {
		return err
	}
	delete(c.running, name)
	return cl.stop()
}

func (c *clusters) kubeconfig(req request) (answer, error) {
	cl, err := c.find(req.Name)
	if err != nil {
		return answer{}, err
	}
	path, err := cl.issueUser(req.User, req.Groups)
	return answer{Kubeconfig: path, Server: cl.server, CA: cl.pki.path("ca.crt")}, err
}

func (c *clusters) find(name string) (*cluster, error) {
	if cl, ok := c.running[name]; ok {
		return cl, nil
	}
	return nil, fmt.Errorf("no cluster %q is running", name)
}

func (c *clusters) reportDeath(err error) {
	select {
	case c.died <- err:
	default: // the first death is the cause, later ones follow from it
	}
}

// A cluster is one etcd, one API server and one controller manager on one directory.
type cluster struct {
	dir, server string
	port        int
	// node says that Pods will run.
	node bool
	// audit says that the API server records who tried what.
	audit           bool
	adminKubeconfig string
	pki             *authority
	// parts are ended in reverse order of their start.
	parts []part
}

// A part ends when end is called, which waits for it at most until the context is done.
type part struct {
	name string
	end  func(context.Context) error
}

func startCluster(ctx context.Context, req request, died func(error)) (_ *cluster, err error) {
	cl := &cluster{dir: filepath.Clean(req.Dir), node: req.Node, audit: req.Audit}
	defer func() {
		if err != nil {
			err = errors.Join(err, cl.stop())
		}
	}()
	if cl.pki, err = openAuthority(filepath.Join(cl.dir, "pki")); err != nil {
		return nil, err
	}
	listener, err := cl.listen(req.Bind, req.Port)
	if err != nil {
		return nil, err
	}
	if err := cl.issueComponents(req.Bind); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	startCtx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	store, err := startEtcd(startCtx, filepath.Join(cl.dir, "etcd"))
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	cl.parts = append(cl.parts, store.part())
	api, err := startAPIServer(ctx, startCtx, cl, listener, store.endpoint(), died)
	if err != nil {
		return nil, err
	}
	cl.parts = append(cl.parts, api)
	manager, err := startControllerManager(ctx, startCtx, cl, died)
	if err != nil {
		return nil, err
	}
	cl.parts = append(cl.parts, manager)
	return cl, nil
}

// listen opens the API server's port and remembers it for the next start of the directory.
func (c *cluster) listen(bind string, port int) (net.Listener, error) {
	memory := filepath.Join(c.dir, "port")
	if port == 0 {
		text, err := os.ReadFile(memory)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("reading the port of the last start: %w", err)
		}
		if err == nil {
			if port, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
				return nil, fmt.Errorf("%s holds %q, expected a port number: remove it to choose a free one", memory, text)
			}
		}
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(bind, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listening for the API server: %w", err)
	}
	c.port = listener.Addr().(*net.TCPAddr).Port
	c.server = "https://" + net.JoinHostPort(bind, strconv.Itoa(c.port))
	if err := replaceFile(memory, []byte(strconv.Itoa(c.port)+"\n")); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

func (c *cluster) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopDeadline)
	defer cancel()
	var errs []error
	for i := len(c.parts) - 1; i >= 0; i-- {
		if err := c.parts[i].end(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", c.parts[i].name, err))
		}
	}
	c.parts = nil
	return errors.Join(errs...)
}

// background runs work in a goroutine until its context is cancelled and tells died if it ends before that.
func background(ctx context.Context, name string, died func(error), work func(context.Context) error) part {
	workCtx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		err := work(workCtx)
		if workCtx.Err() == nil {
			died(fmt.Errorf("%s ended by itself: %w", name, err))
		}
		done <- err
	}()
	return part{name: name, end: func(ctx context.Context) error {
		cancel()
		select {
		case err := <-done:
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		case <-ctx.Done():
			return fmt.Errorf("still running after %s", stopDeadline)
		}
	}}
}
