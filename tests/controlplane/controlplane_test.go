package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

// endDeadline is for what takes a moment, on a machine that is building something else.
const endDeadline = 60 * time.Second

func TestAUserHasOnlyTheRightsThatARoleGives(t *testing.T) {
	ctx := t.Context()
	s := startSession(t)
	started := s.must(request{Op: "start", Name: "a", Dir: t.TempDir()})
	issued := s.must(request{Op: "kubeconfig", Name: "a", User: "operator-li", Groups: []string{"operators"}})
	admin, li := clientFor(t, started.Kubeconfig), clientFor(t, issued.Kubeconfig)

	_, err := li.CoreV1().ConfigMaps("default").List(ctx, metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Fatalf("a user without any binding listed ConfigMaps: %v", err)
	}
	bindGroupToView(t, admin, "operators")
	// The authorizer learns of the binding through a watch.
	eventually(t, "the bound group may list", func(ctx context.Context) error {
		_, err := li.CoreV1().ConfigMaps("default").List(ctx, metav1.ListOptions{})
		return err
	})
	_, err = li.CoreV1().ConfigMaps("default").Create(ctx, configMap("x"), metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) {
		t.Fatalf("a user with the role view created a ConfigMap: %v", err)
	}
}

func TestTheAuditLogNamesWhoTriedWhatAndKeepsNothingOfTheObject(t *testing.T) {
	s, dir := startSession(t), t.TempDir()
	s.must(request{Op: "start", Name: "a", Dir: dir, Audit: true})
	li := clientFor(t, s.must(request{Op: "kubeconfig", Name: "a", User: "operator-li"}).Kubeconfig)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "x"}, StringData: map[string]string{"a": "not-in-the-log"}}
	if _, err := li.CoreV1().Secrets("default").Update(t.Context(), secret, metav1.UpdateOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("a user without any binding wrote a Secret: %v", err)
	}
	// The API server answers before it writes.
	eventually(t, "the attempt is on record", func(context.Context) error {
		text, err := os.ReadFile(filepath.Join(dir, "audit.log"))
		if err != nil {
			return err
		}
		if strings.Contains(string(text), "not-in-the-log") {
			t.Fatal("the log has the content of an object")
		}
		for line := range strings.Lines(string(text)) {
			var event struct {
				Verb           string
				User           authenticationv1.UserInfo
				ObjectRef      struct{ Resource, Namespace, Name string }
				ResponseStatus metav1.Status
			}
			if err := json.Unmarshal([]byte(line), &event); err != nil {
				return err
			}
			object := event.ObjectRef
			if event.User.Username == "operator-li" && event.Verb == "update" && object.Resource == "secrets" &&
				object.Name == "x" && event.ResponseStatus.Code == http.StatusForbidden {
				return nil
			}
		}
		return fmt.Errorf("no such event in %d bytes", len(text))
	})
}

func TestNobodyIsInSystemMasters(t *testing.T) {
	s := startSession(t)
	started := s.must(request{Op: "start", Name: "a", Dir: t.TempDir()})
	refused := s.ask(request{Op: "kubeconfig", Name: "a", User: "eve", Groups: []string{"system:masters"}})
	if refused.OK || !strings.Contains(refused.Error, "system:masters") {
		t.Fatalf("a certificate for system:masters was not refused: %+v", refused)
	}
	review, err := clientFor(t, started.Kubeconfig).AuthenticationV1().SelfSubjectReviews().
		Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	info := review.Status.UserInfo
	if info.Username != adminUser || slices.Contains(info.Groups, "system:masters") {
		t.Fatalf("the admin is %q in %q", info.Username, info.Groups)
	}
}

func TestClustersOfOneProcessShareNothing(t *testing.T) {
	ctx := t.Context()
	s := startSession(t)
	a := s.must(request{Op: "start", Name: "a", Dir: t.TempDir()})
	b := s.must(request{Op: "start", Name: "b", Dir: t.TempDir()})
	clientA, clientB := clientFor(t, a.Kubeconfig), clientFor(t, b.Kubeconfig)

	if _, err := clientA.CoreV1().ConfigMaps("default").Create(ctx, configMap("only-in-a"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := clientB.CoreV1().ConfigMaps("default").Get(ctx, "only-in-a", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Fatalf("cluster b answered for an object of cluster a: %v", err)
	}
	s.must(request{Op: "stop", Name: "a"})
	if _, err := clientB.CoreV1().Namespaces().List(ctx, metav1.ListOptions{}); err != nil {
		t.Fatalf("stopping a disturbed b: %v", err)
	}
	again := s.must(request{Op: "start", Name: "a", Dir: strings.TrimSuffix(a.Kubeconfig, "/admin.kubeconfig")})
	if again.Server != a.Server {
		t.Fatalf("a came back at %s, expected %s", again.Server, a.Server)
	}
	if _, err := clientA.CoreV1().ConfigMaps("default").Get(ctx, "only-in-a", metav1.GetOptions{}); err != nil {
		t.Fatalf("the object was lost over stop and start: %v", err)
	}
}

func TestObjectsAndCredentialsOutliveAKill(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	first := startSession(t)
	started := first.must(request{Op: "start", Name: "a", Dir: dir})
	client := clientFor(t, started.Kubeconfig)
	token, err := client.CoreV1().ServiceAccounts("default").
		CreateToken(ctx, "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if _, err := client.CoreV1().ConfigMaps("default").Create(ctx, configMap(fmt.Sprint("kept-", i)), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	first.kill()

	second := startSession(t)
	again := second.must(request{Op: "start", Name: "a", Dir: dir})
	if again.Server != started.Server {
		t.Fatalf("came back at %s, expected %s", again.Server, started.Server)
	}
	// The client made before the kill goes on: same authority, same key, same port.
	for i := range 50 {
		if _, err := client.CoreV1().ConfigMaps("default").Get(ctx, fmt.Sprint("kept-", i), metav1.GetOptions{}); err != nil {
			t.Fatalf("acknowledged before the kill, gone after it: %v", err)
		}
	}
	review, err := client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token.Status.Token},
	}, metav1.CreateOptions{})
	if err != nil || !review.Status.Authenticated {
		t.Fatalf("a token from before the kill is not accepted: %v %+v", err, review)
	}
}

func TestEndsWhenItsInputEnds(t *testing.T) {
	s := startSession(t)
	s.must(request{Op: "start", Name: "a", Dir: t.TempDir()})
	if err := s.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	s.waitEnd(endDeadline)
}

func TestEndsWithAParentThatIsKilled(t *testing.T) {
	parent := roleCommand(t, "parent")
	parent.Args = append(parent.Args, t.TempDir())
	parent.Stderr = logFile(t)
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var child int
	_, scanErr := fmt.Fscanln(output, &child)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	if scanErr != nil {
		t.Fatalf("the parent did not say which process it started: %v", scanErr)
	}
	eventually(t, "the orphan ends", func(context.Context) error {
		if err := syscall.Kill(child, 0); err == nil && !isZombie(child) {
			return fmt.Errorf("process %d is alive", child)
		}
		return nil
	})
}

func TestBadRequestsAreAnsweredAndHarmNothing(t *testing.T) {
	s := startSession(t)
	for _, bad := range []struct {
		req  request
		says string
	}{
		{request{Op: "start", Name: "", Dir: "/x"}, "name has 0 bytes"},
		{request{Op: "start", Name: "a", Dir: "relative"}, "expected an absolute path"},
		{request{Op: "start", Name: "a", Dir: "/x", Bind: "localhost"}, "expected an IP address"},
		{request{Op: "start", Name: "a", Dir: "/x", Port: 70000}, "expected 0 to 65535"},
		{request{Op: "stop", Name: "a"}, `no cluster "a" is running`},
		{request{Op: "kubeconfig", Name: "a"}, "user has 0 bytes"},
		{request{Op: "restart", Name: "a"}, "expected start, stop or kubeconfig"},
	} {
		if got := s.ask(bad.req); got.OK || !strings.Contains(got.Error, bad.says) {
			t.Errorf("%+v: answered %+v, expected an error with %q", bad.req, got, bad.says)
		}
	}
	if _, err := io.WriteString(s.stdin, "{\"op\":\n"); err != nil {
		t.Fatal(err)
	}
	if !s.answers.Scan() || !strings.Contains(s.answers.Text(), "not one JSON object") {
		t.Errorf("broken JSON: answered %q", s.answers.Text())
	}
}

func bindGroupToView(t *testing.T, admin kubernetes.Interface, group string) {
	t.Helper()
	_, err := admin.RbacV1().RoleBindings("default").Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: group},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func eventually(t *testing.T, what string, try func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), pollEvery, endDeadline, true, func(ctx context.Context) (bool, error) {
		last = try(ctx)
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("not in %s: %s: %v", endDeadline, what, last)
	}
}

// isZombie is true for a process that has ended and waits for init to notice.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// parentMain starts the program, prints its process number, starts a cluster in the directory given as its argument and then
// waits to be killed.
func parentMain() {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), roleVariable+"=program")
	stdin, err := child.StdinPipe()
	if err != nil {
		panic(err)
	}
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		panic(err)
	}
	fmt.Println(child.Process.Pid)
	if _, err := fmt.Fprintf(stdin, "{\"op\":\"start\",\"name\":\"a\",\"dir\":%q}\n", os.Args[1]); err != nil {
		panic(err)
	}
	_ = child.Wait()
}
