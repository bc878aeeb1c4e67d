// Command controlplane is a real Kubernetes control plane in one process: etcd, kube-apiserver and
// kube-controller-manager, unmodified, linked into one program. Tests and the demo talk to it.
//
// It never runs Pods itself (a kubelet that joins it may), never grants system:masters to anyone, and never outlives its
// parent: end of file on stdin ends it at once. Its stores survive that, and SIGKILL, by design of etcd.
//
// # Use
//
// One JSON request per line on stdin, one JSON answer per line on stdout, in order; the components log to stderr.
//
//	{"op":"start","name":"a","dir":"/tmp/a"}
//	  → {"ok":true,"op":"start","name":"a","server":"https://127.0.0.1:40123","port":40123,
//	     "kubeconfig":"/tmp/a/admin.kubeconfig","ca":"/tmp/a/pki/ca.crt","seconds":2.6}
//	{"op":"kubeconfig","name":"a","user":"operator-li","groups":["operators"]}
//	  → {"ok":true,…,"kubeconfig":"/tmp/a/users/operator-li-5d3c….kubeconfig"}
//	{"op":"stop","name":"a"}
//	  → {"ok":true,"op":"stop","name":"a"}
//
// start also takes "bind" (an IP address, 127.0.0.1 if left out), "port", "node": true if a kubelet is to join, which must
// reach "bind", and "audit": true for the API server's own audit log, audit.log in "dir", by audit-policy.yaml. Port 0, or none, means the port of the last start of this directory if it had one, and a free one otherwise.
// Several clusters, under different names and directories, live side by side and share nothing. Starting again on the same
// directory continues with the same objects, authority, keys and port, so kubeconfigs stay valid.
//
// kubeconfig issues a client certificate (user is its common name, groups its organisations) for a user who has no
// rights until somebody binds a role to them. The admin kubeconfig of start is such a user too: "qianyun:admin", bound to
// cluster-admin by an ordinary ClusterRoleBinding.
//
// A request that fails answers {"ok":false,"error":"…"} and leaves the rest running. A component that dies by itself ends
// the program with exit code 1.
package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"os"
)

// maxRequestBytes bounds one request line: the longest legal one is a user with all its groups (64 × 253 bytes) and two paths.
const maxRequestBytes = 64 << 10

func main() {
	log.SetFlags(0)
	log.SetPrefix("controlplane: ")
	if err := run(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run answers requests until in ends. A request is read only when the one before it is answered, but the end of the input is
// noticed while one is being worked on.
func run(in io.Reader, out io.Writer) error {
	prepareProcess()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	lines := make(chan []byte)
	ended := make(chan error, 1)
	go func() { ended <- readLines(ctx, in, lines) }()

	clusters := newClusters(ctx)
	answers := make(chan error, 1)
	go func() { answers <- serve(clusters, lines, out) }()

	select {
	case err := <-ended:
		return err
	case err := <-answers:
		return err
	case err := <-clusters.died:
		return err
	}
}

// readLines sends each line of in until it ends. It returns nil at a clean end of file.
func readLines(ctx context.Context, in io.Reader, lines chan<- []byte) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 0, 4096), maxRequestBytes)
	for scanner.Scan() {
		line := append([]byte(nil), scanner.Bytes()...)
		select {
		case lines <- line:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		return errors.New("a request on stdin is longer than 65536 bytes")
	}
	return scanner.Err()
}
