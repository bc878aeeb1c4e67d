package main

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kube-aggregator/pkg/apiserver"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

const serviceRange = "10.0.0.0/24"

// firstServiceIP is the address that the API server takes for itself in serviceRange.
var firstServiceIP = net.IPv4(10, 0, 0, 1)

// pollEvery is how often readiness is asked: far below what a person notices, far above what an answer costs.
const pollEvery = 50 * time.Millisecond

// auditPolicy says what the API server records of those who use it.
//
//go:embed audit-policy.yaml
var auditPolicy []byte

// startAPIServer runs the API server on listener until ctx ends, and returns when it is ready and the admin has rights.
func startAPIServer(ctx, startCtx context.Context, cl *cluster, listener net.Listener, store string, died func(error)) (part, error) {
	opts := options.NewServerRunOptions()
	if cl.audit {
		if err := replaceFile(cl.auditPolicy(), auditPolicy); err != nil {
			return part{}, err
		}
	}
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	for _, set := range opts.Flags().FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(apiServerFlags(cl, listener, store)); err != nil {
		return part{}, fmt.Errorf("kube-apiserver flags: %w", err)
	}
	opts.SecureServing.Listener = listener
	opts.SecureServing.BindPort = cl.port
	completedOpts, err := opts.Complete(ctx)
	if err != nil {
		return part{}, fmt.Errorf("completing the kube-apiserver options: %w", err)
	}
	if errs := completedOpts.Validate(); len(errs) > 0 {
		return part{}, fmt.Errorf("kube-apiserver options: %w", utilerrors.NewAggregate(errs))
	}
	server, err := assemble(completedOpts)
	if err != nil {
		return part{}, err
	}
	// This client belongs to the API server's own loopback identity, made anew in memory at each start. It is the
	// only credential here that is in system:masters; it is used for what follows, and dropped.
	loopback, err := kubernetes.NewForConfig(server.GenericAPIServer.LoopbackClientConfig)
	if err != nil {
		return part{}, fmt.Errorf("making the loopback client: %w", err)
	}
	prepared, err := server.PrepareRun()
	if err != nil {
		return part{}, fmt.Errorf("preparing kube-apiserver: %w", err)
	}
	running := background(ctx, "kube-apiserver", died, prepared.Run)
	if err = waitReady(startCtx, loopback); err == nil {
		err = bindUser(startCtx, loopback, adminUser, "cluster-admin")
	}
	if err == nil && cl.node {
		err = bindUser(startCtx, loopback, kubeletClientUser, "system:kubelet-api-admin")
	}
	if err != nil {
		endCtx, cancel := context.WithTimeout(context.Background(), stopDeadline)
		defer cancel()
		_ = running.end(endCtx) // the failure to start is what matters
		return part{}, err
	}
	return running, nil
}

func apiServerFlags(cl *cluster, listener net.Listener, store string) []string {
	bind, mode := listener.Addr().(*net.TCPAddr).IP.String(), "RBAC"
	if cl.node {
		mode = "Node,RBAC" // Node gives a kubelet what its own Pods need, and nobody else anything
	}
	flags := []string{
		"--etcd-servers=" + store,
		"--bind-address=" + bind,
		"--advertise-address=" + bind,
		"--cert-dir=" + cl.pki.dir,
		"--tls-cert-file=" + cl.pki.path("apiserver.crt"),
		"--tls-private-key-file=" + cl.pki.path("apiserver.key"),
		"--client-ca-file=" + cl.pki.path("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + cl.pki.path("service-account.key"),
		"--service-account-signing-key-file=" + cl.pki.path("service-account.key"),
		"--service-cluster-ip-range=" + serviceRange,
		// The default is AlwaysAllow, under which every approval test would pass for the wrong reason.
		"--authorization-mode=" + mode,
		// One client at a time needs no fair queues, and without them a start is shorter.
		"--enable-priority-and-fairness=false",
		"--profiling=false",
	}
	if cl.audit {
		flags = append(flags, "--audit-policy-file="+cl.auditPolicy(), "--audit-log-path="+cl.auditLog())
	}
	if !cl.node {
		// Nothing routes to Services.
		return append(flags, "--endpoint-reconciler-type=none")
	}
	return append(flags,
		// Pods find the API server by the Service "kubernetes", which leads to the advertised address.
		"--endpoint-reconciler-type=master-count",
		"--allow-privileged",
		"--enable-admission-plugins=NodeRestriction",
		// For logs and exec. The node's name stands in no DNS.
		"--kubelet-client-certificate="+cl.pki.path("kubelet-client.crt"),
		"--kubelet-client-key="+cl.pki.path("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
	)
}

func (c *cluster) auditPolicy() string { return filepath.Join(c.dir, "audit-policy.yaml") }

func (c *cluster) auditLog() string { return filepath.Join(c.dir, "audit.log") }

// assemble is app.Run up to the point where it would block, so that the loopback identity can be had.
func assemble(opts options.CompletedOptions) (*apiserver.APIAggregator, error) {
	config, err := app.NewConfig(opts)
	if err != nil {
		return nil, fmt.Errorf("configuring kube-apiserver: %w", err)
	}
	completed, err := config.Complete()
	if err != nil {
		return nil, fmt.Errorf("completing the kube-apiserver configuration: %w", err)
	}
	server, err := app.CreateServerChain(completed)
	if err != nil {
		return nil, fmt.Errorf("creating kube-apiserver: %w", err)
	}
	return server, nil
}

func waitReady(ctx context.Context, client kubernetes.Interface) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, pollEvery, true, func(ctx context.Context) (bool, error) {
		_, last = client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("kube-apiserver was not ready in time (%w), last answer: %v", err, last)
	}
	return nil
}

// bindUser gives a user a role by the same kind of object that any other right comes from.
func bindUser(ctx context.Context, client kubernetes.Interface, user, role string) error {
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	_, err := client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("binding %s to %s: %w", user, role, err)
	}
	return nil
}
