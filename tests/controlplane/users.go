package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// adminUser is the first person of a cluster: an ordinary user whose rights come from a ClusterRoleBinding
// (see bindUser), never from a group that the API server trusts blindly.
const adminUser = "qianyun:admin"

// kubeletClientUser is the API server where it asks a kubelet, for logs and exec.
const kubeletClientUser = "qianyun:kubelet-client"

// managerUser is the name that the bootstrap policy of Kubernetes binds to the controller manager's role.
const managerUser = "system:kube-controller-manager"

// issueComponents makes the certificates and kubeconfigs of the cluster's own parts.
func (c *cluster) issueComponents(bind string) error {
	if _, err := c.pki.keyOf("service-account"); err != nil {
		return err
	}
	if err := c.pki.issueServer("apiserver", net.ParseIP(bind)); err != nil {
		return err
	}
	if _, err := c.pki.issueClient("kubelet-client", kubeletClientUser, nil); err != nil {
		return err
	}
	c.adminKubeconfig = filepath.Join(c.dir, "admin.kubeconfig")
	if err := c.writeUser("admin", adminUser, nil, c.adminKubeconfig); err != nil {
		return err
	}
	return c.writeUser("controller-manager", managerUser, nil, c.managerKubeconfig())
}

func (c *cluster) managerKubeconfig() string { return c.pki.path("controller-manager.kubeconfig") }

// issueUser writes a kubeconfig for a person and returns its path.
func (c *cluster) issueUser(user string, groups []string) (string, error) {
	dir := filepath.Join(c.dir, "users")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the folder of users: %w", err)
	}
	name := fileName(user, groups)
	path := filepath.Join(dir, name+".kubeconfig")
	return path, c.writeUser(name, user, groups, path)
}

func (c *cluster) writeUser(file, user string, groups []string, path string) error {
	pair, err := c.pki.issueClient(file, user, groups)
	if err != nil {
		return err
	}
	config := clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"qianyun": {
			Server:                   c.server,
			CertificateAuthorityData: encodePEM("CERTIFICATE", c.pki.cert.Raw),
		}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{user: {
			ClientCertificateData: pair.cert,
			ClientKeyData:         pair.key,
		}},
		Contexts:       map[string]*clientcmdapi.Context{"qianyun": {Cluster: "qianyun", AuthInfo: user}},
		CurrentContext: "qianyun",
	}
	text, err := clientcmd.Write(config)
	if err != nil {
		return fmt.Errorf("encoding the kubeconfig of %q: %w", user, err)
	}
	return replaceFile(path, text)
}

// fileName is readable, and differs wherever user or groups differ.
func fileName(user string, groups []string) string {
	sum := sha256.Sum256([]byte(user + "\x00" + strings.Join(groups, "\x00")))
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		default:
			return '_'
		}
	}, user)
	if len(readable) > 64 {
		readable = readable[:64]
	}
	return readable + "-" + hex.EncodeToString(sum[:4])
}
