package main

import (
	"runtime"
	"sync"

	"k8s.io/client-go/rest"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
)

var prepareOnce sync.Once

// prepareProcess sets what Kubernetes keeps per process, so that several components can share one.
func prepareProcess() {
	prepareOnce.Do(func() {
		// The second component applies the same logging options as the first.
		logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
		// A start hook that fails because its cluster is being stopped must not end the clusters beside it; a real failure
		// shows as a cluster that never gets ready.
		klog.OsExit = func(int) { runtime.Goexit() }
		// Warnings are for people at a terminal; the components' own are noise.
		rest.SetDefaultWarningHandler(rest.NoWarnings{})
	})
}
