package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/configz"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
)

// controllers are the ones whose absence a user of the API would notice without any node.
var controllers = []string{
	"namespace-controller",         // a deleted namespace ends
	"garbage-collector-controller", // owner references
	"serviceaccount-controller",    // the default account of a namespace
	"serviceaccount-token-controller",
	"root-ca-certificate-publisher-controller",
	"clusterrole-aggregation-controller",
	"validatingadmissionpolicy-status-controller", // type warnings of our policies
}

// withNode are the default ones less those that this program's flags do not suffice for: no cloud gives addresses or routes.
var withNode = []string{
	"*",
	"-cloud-node-lifecycle-controller",
	"-node-ipam-controller",
	"-node-route-controller",
	"-service-lb-controller",
}

// startControllerManager runs the controller manager until ctx ends, and returns when its controllers have visibly worked.
func startControllerManager(ctx, startCtx context.Context, cl *cluster, died func(error)) (part, error) {
	opts, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return part{}, fmt.Errorf("kube-controller-manager options: %w", err)
	}
	known, disabled, aliases := app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases()
	flags := pflag.NewFlagSet("kube-controller-manager", pflag.ContinueOnError)
	for _, set := range opts.Flags(known, disabled, aliases).FlagSets {
		flags.AddFlagSet(set)
	}
	kubeconfig, wanted := cl.managerKubeconfig(), controllers
	if cl.node {
		wanted = withNode
	}
	err = flags.Parse([]string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--service-account-private-key-file=" + cl.pki.path("service-account.key"),
		"--root-ca-file=" + cl.pki.path("ca.crt"),
		"--leader-elect=false", // one process, one manager
		"--use-service-account-credentials=true",
		"--secure-port=0",
		"--controllers=" + strings.Join(wanted, ","),
	})
	if err != nil {
		return part{}, fmt.Errorf("kube-controller-manager flags: %w", err)
	}
	config, err := opts.Config(ctx, known, disabled, aliases)
	if err != nil {
		return part{}, fmt.Errorf("kube-controller-manager configuration: %w", err)
	}
	// Two process-wide tables, of configurations and of informers' metrics, refuse a second manager. Nobody reads either here.
	configz.Delete(app.ConfigzName)
	cache.ResetInformerNamesForTesting()
	running := background(ctx, "kube-controller-manager", died, func(ctx context.Context) error {
		return app.Run(ctx, config.Complete())
	})
	if err := waitNamespaceFurnished(startCtx, cl.adminKubeconfig); err != nil {
		endCtx, cancel := context.WithTimeout(context.Background(), stopDeadline)
		defer cancel()
		_ = running.end(endCtx) // the failure to start is what matters
		return part{}, err
	}
	return running, nil
}

// waitNamespaceFurnished waits for what two of the controllers put into the namespace default. It asks as the admin, so it
// also proves that the admin's rights are in force.
func waitNamespaceFurnished(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("reading %s: %w", kubeconfig, err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making the admin's client: %w", err)
	}
	var last error
	err = wait.PollUntilContextCancel(ctx, pollEvery, true, func(ctx context.Context) (bool, error) {
		if _, last = client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); last == nil {
			_, last = client.CoreV1().ConfigMaps("default").Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		}
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("kube-controller-manager did not furnish namespace default in time (%w), last answer: %v", err, last)
	}
	return nil
}
