package main

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// etcd is one cluster's store.
type etcd struct{ server *embed.Etcd }

func startEtcd(ctx context.Context, dir string) (*etcd, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the store's directory: %w", err)
	}
	// A test writes little; the default of 64 MB is preallocated for every cluster.
	wal.SegmentSizeBytes = 8 << 20

	config := embed.NewConfig()
	config.Dir = dir
	config.LogLevel = "error"
	config.LogOutputs = []string{"stderr"}
	config.EnableGRPCGateway = false
	// SIGKILL does not lose what the kernel already holds, only a power cut would, and no test cuts the machine's own power.
	config.UnsafeNoFsync = true
	// One member elects itself, so short ticks only shorten the start.
	config.TickMs, config.ElectionMs = 10, 100
	loopback := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config.ListenClientUrls = []url.URL{loopback}
	config.AdvertiseClientUrls = []url.URL{loopback}
	config.ListenPeerUrls = []url.URL{loopback}

	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("starting etcd: %w", err)
	}
	select {
	case <-server.Server.ReadyNotify():
		return &etcd{server: server}, nil
	case err := <-server.Err():
		server.Close()
		return nil, fmt.Errorf("etcd ended while starting: %w", err)
	case <-ctx.Done():
		server.Close()
		return nil, fmt.Errorf("etcd was not ready in time: %w", ctx.Err())
	}
}

func (e *etcd) endpoint() string { return "http://" + e.server.Clients[0].Addr().String() }

func (e *etcd) part() part {
	return part{name: "etcd", end: func(context.Context) error {
		e.server.Close()
		return nil
	}}
}
